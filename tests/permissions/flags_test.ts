// Deno's permissions hold for the native library too: what is enough, what is missing, and that all
// that is missing is named at once.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalS3, memory } from "dipper";
import { ScriptedServer } from "../storage/scripted_server.ts";
import { FFI, flagsIn, LIBRARY, MODULE, run, runOne, runWell } from "./child.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const READ = `await tell(() => connect().file("s3://bucket/key").text());`;

describe("the flags of a script", () => {
  let server: LocalS3;
  let input: Record<string, unknown>;
  let host: string;
  beforeAll(async () => {
    server = await LocalS3.start();
    const { endpoint, region, credentials } = server;
    input = { endpoint, region, credentials };
    host = new URL(endpoint).host;
    using client = server.client();
    await client.createBucket("bucket");
    await client.file("s3://bucket/key").write("content");
  });
  afterAll(() => server.stop());

  it("to fetch and adopt are --allow-ffi=<library> and --allow-net=127.0.0.1", async () => {
    const told = await runOne(
      `await tell(async () => {
        const buffer = await connect().get("s3://bucket/key");
        const view = buffer.view().length;
        const adopted = new Uint8Array(buffer.adopt());
        return [view, new TextDecoder().decode(adopted), buffer.byteLength];
      });`,
      { flags: [FFI, "--allow-net=127.0.0.1"], input },
    );
    assertEquals(told, { ok: [7, "content", 0] });
  });

  it("to start LocalS3 with its own directory are the same, and to do everything there", async () => {
    const told = await runOne(
      `await tell(async () => {
        await using server = await dipper.LocalS3.start();
        using client = server.client();
        await client.createBucket("bucket");
        const file = client.file("s3://bucket/key");
        await file.write("content");
        const entries = await client.list("s3://bucket/").toArray();
        const text = [await file.text(), entries.length, (await client.buckets()).length];
        await file.delete();
        return [...text, await file.exists()];
      });`,
      { flags: [FFI, "--allow-net=127.0.0.1"] },
    );
    assertEquals(told, { ok: ["content", 1, 1, false] });
  });

  it("to write in parts beyond the window are the same: without a folder they lie in memory", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-scratch-" });
    const source = `await tell(async () => {
      const piece = new Uint8Array(1 << 20);
      async function* pieces() {
        for (let at = 0; at < 70; at++) yield piece;
      }
      const file = connect().file("s3://bucket/large");
      const { size } = await file.write(pieces(), { partSize: 64 << 20 });
      return size;
    });`;
    const write = [
      "--allow-env=TMPDIR",
      `--allow-read=${folder}`,
      `--allow-write=${folder}`,
    ];
    try {
      for (const more of [[], write.slice(0, 1), write]) {
        const flags = [FFI, "--allow-net=127.0.0.1", ...more];
        const told = await runOne(source, { flags, input, env: { TMPDIR: folder } });
        assertEquals(told, { ok: 70 << 20 });
      }
      assertEquals([...Deno.readDirSync(folder)], []);
    } finally {
      await Deno.remove(folder);
    }
  });

  it("may name the port", async () => {
    assertEquals(await runOne(READ, { flags: [FFI, `--allow-net=${host}`], input }), {
      ok: "content",
    });
  });

  it("to lend memory is --allow-ffi=<library> alone, and is asked for before anything is done", async () => {
    const lend = `await tell(() => {
      const x = new Float64Array([1, 2]);
      const sum = dipper.checksumBytes(x) === dipper.checksumBytes(x.buffer);
      dipper.scaleInplace(x, 2);
      dipper.normalizeInplace(x, { kind: "minmax" });
      return [sum, ...x];
    });`;
    assertEquals(await runOne(lend, { flags: [FFI] }), { ok: [true, 0, 1] });
    for (const call of ["checksumBytes(x)", "scaleInplace(x, 2)", "logInplace(x)"]) {
      const told = await runOne(
        `const x = new Float64Array(1); await tell(() => dipper.${call});`,
        { flags: [] },
      );
      assertEquals([told.name, flagsIn(told)], ["PermissionError", [FFI]], call);
    }
  });

  it("to presign is --allow-ffi=<library> alone", async () => {
    const told = await runOne(
      `await tell(async () => new URL(await connect().file("s3://bucket/key").presign()).pathname);`,
      { flags: [FFI], input },
    );
    assertEquals(told, { ok: "/bucket/key" });
  });

  it("are both named when both are missing", async () => {
    const told = await runOne(READ, { flags: [], input });
    assertEquals([told.name, told.code], ["PermissionError", "PermissionDenied"]);
    assertEquals(flagsIn(told), [FFI, `--allow-net=${host}`]);
    assertEquals(told.uri, "s3://bucket/key");
    assertStringIncludes(told.message!, "run with");
  });

  it("are named alone when one is missing", async () => {
    const withoutNet = await runOne(READ, { flags: [FFI], input });
    assertEquals([withoutNet.name, flagsIn(withoutNet)], ["PermissionError", [
      `--allow-net=${host}`,
    ]]);
    const withoutFfi = await runOne(READ, { flags: ["--allow-net=127.0.0.1"], input });
    assertEquals([withoutFfi.name, flagsIn(withoutFfi)], ["PermissionError", [FFI]]);
  });

  it("for a table on S3 are the same, to load and to save", async () => {
    const calls = {
      save: `using table = new dipper.EmbeddingTable(2);
        await tell(async () => {
          table.add([1, 2]);
          await table.save("s3://bucket/table.npy", { client: connect() });
        });`,
      load: `await tell(async () => {
        using table = await dipper.EmbeddingTable.load("s3://bucket/table.npy", {
          client: connect(),
        });
        return [...table.row(0)];
      });`,
    };
    for (const [name, call] of Object.entries(calls)) {
      const without = await runOne(call, { flags: [FFI], input });
      assertEquals([without.name, flagsIn(without)], ["PermissionError", [
        `--allow-net=${host}`,
      ]], name);
    }
    const flags = [FFI, `--allow-net=${host}`];
    assertEquals(await runOne(calls.save, { flags, input }), { ok: null });
    assertEquals(await runOne(calls.load, { flags, input }), { ok: [1, 2] });
  });

  it("that the error names are enough", async () => {
    const told = await runOne(READ, { flags: [], input });
    assertEquals(await runOne(READ, { flags: flagsIn(told), input }), { ok: "content" });
  });

  it("are named for every operation", async () => {
    const told = await runWell(
      `const client = connect();
      const file = client.file("s3://bucket/key");
      for (const call of [
        () => file.bytes(), () => file.slice(-3, -1).bytes(), () => file.into(new Uint8Array(9)),
        () => new Response(file.stream()).bytes(), () => file.ranges([[0, 1]]),
        () => file.stat(), () => file.exists(), () => file.write(""), () => file.write("x"),
        () => file.delete(), 
        () => client.list("s3://bucket/").toArray(), () => client.get(file),
        () => client.buckets(), () => client.createBucket("more"),
        () => client.deleteBucket("bucket"),
      ]) await tell(call);`,
      { flags: [], input },
    );
    assertEquals(told.length, 15);
    for (const one of told) {
      assertEquals([one.name, flagsIn(one)], ["PermissionError", [FFI, `--allow-net=${host}`]]);
    }
  });

  it("for memory alone are --allow-ffi=<library>", async () => {
    const source = `
      await tell(() => dipper.memory().bytes);
      await tell(() => { using buffer = new dipper.RustBuffer(8); return buffer.byteLength; });`;
    assertEquals(await runWell(source, { flags: [FFI] }), [{ ok: 0 }, { ok: 8 }]);
    for (const told of await runWell(source, { flags: ["--allow-net"] })) {
      assertEquals([told.name, flagsIn(told)], ["PermissionError", [FFI]]);
    }
  });

  it("for another host, port or spelling are not these", async () => {
    await using other = await ScriptedServer.start((_, reply) => reply.answer(200, {}, ""));
    const otherHost = new URL(other.endpoint).host;
    const there = { ...input, endpoint: other.endpoint };
    const named = { ...input, endpoint: other.endpoint.replace("127.0.0.1", "localhost") };
    for (
      const [flags, options, missing] of [
        [[`--allow-net=${host}`], there, otherHost],
        [["--allow-net=localhost"], there, otherHost],
        [["--allow-net=127.0.0.1"], named, otherHost.replace("127.0.0.1", "localhost")],
        [["--allow-net", `--deny-net=${otherHost}`], there, otherHost],
      ] as const
    ) {
      const told = await runOne(READ, { flags: [FFI, ...flags], input: options });
      assertEquals([told.name, flagsIn(told)], ["PermissionError", [`--allow-net=${missing}`]]);
    }
    assertEquals(other.connections, 0, "nobody knocked");
  });

  it("that were revoked meanwhile are missing", async () => {
    const told = await runWell(
      `const file = connect().file("s3://bucket/key");
      await tell(() => file.text());
      await Deno.permissions.revoke({ name: "net" });
      await tell(() => file.text());`,
      { flags: [FFI, "--allow-net"], input },
    );
    assertEquals(told[0], { ok: "content" });
    assertEquals([told[1]?.name, flagsIn(told[1]!)], ["PermissionError", [`--allow-net=${host}`]]);
  });

  it("for LocalS3 in a directory are read and write of it, all named at once", async () => {
    const directory = await Deno.makeTempDir({ prefix: "dipper-local-" });
    const start = `await tell(async () => {
      await using server = await dipper.LocalS3.start({ directory: ${JSON.stringify(directory)} });
      using client = server.client();
      await client.createBucket("bucket");
      return (await client.buckets()).length;
    });`;
    const [read, write] = [`--allow-read=${directory}`, `--allow-write=${directory}`];
    const net = "--allow-net=127.0.0.1";
    try {
      for (
        const [flags, missing] of [
          [[], [FFI, net, read, write]],
          [[FFI, net], [read, write]],
          [[FFI, net, read], [write]],
          [[FFI, net, write], [read]],
          [[FFI, read, write], [net]],
        ]
      ) {
        const told = await runOne(start, { flags: flags! });
        assertEquals([told.name, flagsIn(told)], ["PermissionError", missing]);
        assertEquals([...Deno.readDirSync(directory)], [], "nothing was made");
      }
      assertEquals(await runOne(start, { flags: [FFI, net, read, write] }), { ok: 1 });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });

  it("for LocalS3 on a port may name the port", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const source = `await tell(async () => {
      await using server = await dipper.LocalS3.start({ port: ${port} });
      return (await server.client().buckets()).length;
    });`;
    assertEquals(await runOne(source, { flags: [FFI, `--allow-net=127.0.0.1:${port}`] }), {
      ok: 0,
    });
    const told = await runOne(source, { flags: [FFI, "--allow-net=127.0.0.1:1"] });
    assertEquals(flagsIn(told), [`--allow-net=127.0.0.1:${port}`]);
  });

  it("for unsafeView() are --allow-ffi without a path", async () => {
    const source = `await tell(() => {
      using buffer = new dipper.RustBuffer(8);
      return buffer.unsafeView().byteLength;
    });`;
    const told = await runOne(source, { flags: [FFI] });
    assertEquals([told.name, flagsIn(told)], ["PermissionError", ["--allow-ffi"]]);
    assertEquals(await runOne(source, { flags: ["--allow-ffi"] }), { ok: 8 });
  });

  it("refuse in a Worker that has no permissions, whatever its parent has", async () => {
    const told = await runOne(
      `const worker = new Worker(new URL("./worker.ts", import.meta.url).href, {
        type: "module", deno: { permissions: "none" },
      });
      const message = new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message)); };
      });
      worker.postMessage(input);
      await tell(() => message);
      worker.terminate();`,
      {
        flags: ["--allow-all", "--unstable-worker-options"],
        input,
        files: {
          "worker.ts": `
import { S3Client } from ${JSON.stringify(MODULE)};
self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ ok: await new S3Client(data).file("s3://bucket/key").text() });
  } catch (error) {
    self.postMessage({ name: error.name, message: error.message });
  }
};`,
        },
      },
    );
    const inWorker = told.ok as { name: string; message: string };
    assertEquals([inWorker?.name, flagsIn(inWorker)], [
      "PermissionError",
      [FFI, `--allow-net=${host}`],
    ], JSON.stringify(told));
  });
});

describe("a redirect", () => {
  for (const status of [301, 302, 303, 307, 308]) {
    it(`with ${status} never reaches a host that was not granted`, async () => {
      await using target = await ScriptedServer.start((_, reply) =>
        reply.answer(200, { etag: '"x"' }, "stolen")
      );
      await using server = await ScriptedServer.start((asked, reply) =>
        reply.answer(
          status,
          { location: `${target.endpoint}${asked.path}`, "x-amz-bucket-region": "eu-west-1" },
          "<Error><Code>TemporaryRedirect</Code><Endpoint>x</Endpoint></Error>",
        )
      );
      const told = await runOne(READ, {
        flags: [FFI, `--allow-net=${new URL(server.endpoint).host}`],
        input: {
          endpoint: server.endpoint,
          credentials: { accessKeyId: "a", secretAccessKey: "b" },
        },
      });
      assert(server.asked.length > 0);
      assertEquals(target.connections, 0);
      assert(["NetworkError", "PermissionError"].includes(told.name ?? ""), JSON.stringify(told));
    });
  }
});

describe("a proxy in the environment", () => {
  const names = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
  ];

  /** A proxy and a server, each of which tells which one it is. */
  async function between(call: (proxy: ScriptedServer, server: ScriptedServer) => Promise<void>) {
    const answers = (text: string) =>
      ScriptedServer.start((asked, reply) =>
        reply.answer(
          200,
          {
            etag: '"x"',
            "last-modified": "Fri, 01 Mar 2024 12:34:56 GMT",
            "x-amz-request-id": "SCRIPTED",
            "content-length": String(text.length),
          },
          asked.method === "HEAD" ? "" : text,
        )
      );
    await using proxy = await answers("through the proxy");
    await using server = await answers("direct");
    await call(proxy, server);
  }

  function inputOf(server: ScriptedServer) {
    return { endpoint: server.endpoint, credentials: { accessKeyId: "a", secretAccessKey: "b" } };
  }

  function hostOf(server: ScriptedServer): string {
    return new URL(server.endpoint).host;
  }

  it("that may not be read is not known", async () => {
    await between(async (proxy, server) => {
      const told = await runOne(READ, {
        flags: [FFI, `--allow-net=${hostOf(server)}`],
        env: Object.fromEntries(names.map((name) => [name, proxy.endpoint])),
        input: inputOf(server),
      });
      assertEquals(proxy.connections, 0);
      assertEquals(told, { ok: "direct" });
    });
  });

  it("that may be read and reached is used, also by web addresses", async () => {
    const web = `await tell(() => dipper.file(input.endpoint + "/x").text());`;
    for (const name of ["HTTP_PROXY", "http_proxy", "ALL_PROXY"]) {
      await between(async (proxy, server) => {
        const flags = [FFI, `--allow-env=${name}`, "--allow-net=127.0.0.1"];
        const env = { [name]: proxy.endpoint };
        for (const source of [READ, web]) {
          const told = await runOne(source, { flags, env, input: inputOf(server) });
          assertEquals(told, { ok: "through the proxy" }, name);
        }
        assertEquals(server.connections, 0, name);
        assertStringIncludes(proxy.asked[0]!.path, server.endpoint, name);
      });
    }
  });

  it("that may be read but not reached is a PermissionError that names its host", async () => {
    await between(async (proxy, server) => {
      const told = await runOne(READ, {
        flags: [FFI, "--allow-env=HTTP_PROXY", `--allow-net=${hostOf(server)}`],
        env: { HTTP_PROXY: proxy.endpoint },
        input: inputOf(server),
      });
      assertEquals([told.name, flagsIn(told)], ["PermissionError", [
        `--allow-net=${hostOf(proxy)}`,
      ]]);
      assertEquals([proxy.connections, server.connections], [0, 0]);
    });
  });

  it("is passed by for the hosts of NO_PROXY", async () => {
    for (const name of ["NO_PROXY", "no_proxy"]) {
      await between(async (proxy, server) => {
        const told = await runOne(READ, {
          flags: [FFI, "--allow-env", "--allow-net=127.0.0.1"],
          env: { HTTP_PROXY: proxy.endpoint, [name]: "example.com,127.0.0.1" },
          input: inputOf(server),
        });
        assertEquals(told, { ok: "direct" }, name);
        assertEquals(proxy.connections, 0, name);
      });
    }
  });
});

describe("a local file", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "dipper-files-" });
    await Deno.writeTextFile(`${folder}/data.txt`, "content");
    await Deno.symlink("/proc/self/environ", `${folder}/link`);
  });
  afterAll(() => Deno.remove(folder, { recursive: true }));

  const READ_FILE = `await tell(() => dipper.file(input).text());`;

  it("needs reading it, and nothing else", async () => {
    const path = `${folder}/data.txt`;
    for (const flag of [`--allow-read=${path}`, `--allow-read=${folder}`, "--allow-read"]) {
      assertEquals(await runOne(READ_FILE, { flags: [FFI, flag], input: path }), { ok: "content" });
    }
    const told = await runOne(READ_FILE, { flags: [], input: path });
    assertEquals([told.name, flagsIn(told)], ["PermissionError", [FFI, `--allow-read=${path}`]]);
    const again = await runOne(READ_FILE, { flags: flagsIn(told), input: path });
    assertEquals(again, { ok: "content" });
  });

  it("is asked for by every method, before it is opened", async () => {
    const path = `${folder}/data.txt`;
    const told = await runWell(
      `const f = dipper.file(input);
      for (const call of [
        () => f.bytes(), () => f.buffer(), () => f.into(new Uint8Array(9)), () => f.text(),
        () => f.slice(-3, -1).bytes(), () => f.stat(), () => f.exists(), () => f.ranges([[0, 1]]),
        () => new Response(f.stream()).bytes(), () => dipper.get(input),
        () => dipper.file(input, { map: true }).bytes(),
        async () => {
          for await (const { error } of dipper.getMany([input])) throw error;
        },
      ]) await tell(call);`,
      { flags: [FFI, `--allow-read=${folder}/other`], input: path },
    );
    assertEquals(told.length, 12);
    for (const one of told) {
      assertEquals([one.name, flagsIn(one)], ["PermissionError", [`--allow-read=${path}`]]);
    }
  });

  it("is not reached through .. or a relative path", async () => {
    const other = `${folder}/other`;
    const relative = `../${folder.split("/").at(-1)}/data.txt`;
    for (const input of [`${other}/../data.txt`, relative]) {
      const told = await runOne(READ_FILE, { flags: [FFI, `--allow-read=${other}`], input });
      assertEquals(told.name, "PermissionError", input);
    }
  });

  it("of the kernel's is refused as Deno refuses it, also behind a link", {
    ignore: Deno.build.os !== "linux",
  }, async () => {
    const env = { CANARY: "canary-of-environ" };
    for (const input of ["/proc/self/environ", `${folder}/link`, "/proc/self/mem"]) {
      const told = await runOne(READ_FILE, { flags: [FFI, "--allow-read"], input, env });
      assertEquals([told.name, flagsIn(told)], ["PermissionError", ["--allow-all"]], input);
    }
  });
});

describe("a web address", () => {
  it("needs its host, and redirects need theirs", async () => {
    await using target = await ScriptedServer.start((_, reply) =>
      reply.answer(200, { etag: '"x"' }, "content")
    );
    await using server = await ScriptedServer.start((asked, reply) =>
      asked.path === "/away"
        ? reply.answer(302, { location: `${target.endpoint}/x` }, "")
        : reply.answer(200, { etag: '"x"' }, "content")
    );
    const source = `await tell(() => dipper.file(input).text());`;
    const host = new URL(server.endpoint).host;
    const input = `${server.endpoint}/x`;
    const flags = [FFI, `--allow-net=${host}`];
    assertEquals(await runOne(source, { flags, input }), { ok: "content" });
    const told = await runOne(source, { flags: [], input });
    assertEquals([told.name, flagsIn(told)], ["PermissionError", flags]);
    const away = await runOne(source, { flags, input: `${server.endpoint}/away` });
    assertEquals([away.name, flagsIn(away)], ["PermissionError", [
      `--allow-net=${new URL(target.endpoint).host}`,
    ]]);
    assertEquals(target.connections, 0, "nobody knocked");
  });
});

describe("getMany", () => {
  it("reports in its place what is not allowed", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(200, { etag: '"x"' }, "content")
    );
    const host = new URL(server.endpoint).host;
    const told = await runOne(
      `await tell(async () => {
        const sources = [input + "/x", "http://127.0.0.1:1/x", "/etc/hostname", input + "/y"];
        const results = await Array.fromAsync(dipper.getMany(sources, { ordered: true }));
        return results.map(({ bytes, error }) => error?.message ?? bytes.length);
      });`,
      { flags: [FFI, `--allow-net=${host}`], input: server.endpoint },
    );
    const [first, second, third, fourth] = told.ok as unknown[];
    assertEquals([first, fourth], [7, 7]);
    assertStringIncludes(String(second), "--allow-net=127.0.0.1:1");
    assertStringIncludes(String(third), "--allow-read=/etc/hostname");
  });
});

describe("importing", () => {
  const denied = ["ffi", "net", "read", "write", "env", "run", "sys"].map((name) =>
    `--deny-${name}`
  );

  it("needs no permission and does nothing, from a folder without any configuration", async () => {
    assertEquals(
      await runOne("await tell(() => Object.keys(dipper).length > 10);", { flags: denied }),
      {
        ok: true,
      },
    );
  });

  it("does not load the library; handles do not either", {
    ignore: Deno.build.os !== "linux",
  }, async () => {
    const told = await runOne(
      `await tell(() => {
        const mapped = () => Deno.readTextFileSync("/proc/self/maps").includes("libdipper");
        const client = new dipper.S3Client({ region: "eu-central-1" });
        const file = client.file("s3://bucket/key").slice(1, 2);
        Deno.inspect([client, file, client.list("s3://bucket/")]);
        dipper.configure({});
        const before = mapped();
        dipper.memory();
        return [before, mapped()];
      });`,
      { flags: ["--allow-all"] },
    );
    assertEquals(told, { ok: [false, true] });
  });

  it("reads files of this folder and Node's modules, and resolves no bare name", async () => {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-config", MODULE],
      cwd: await Deno.realPath("/"),
    }).output();
    const graph = JSON.parse(new TextDecoder().decode(stdout)) as {
      modules: { specifier: string; error?: string }[];
    };
    const root = new URL("./", MODULE).href;
    assert(graph.modules.length > 20, String(graph.modules.length));
    for (const { specifier, error } of graph.modules) {
      // For their types alone; tests/importing_test.ts sees that they are not loaded.
      if (/^npm:\/(@observablehq\/plot|@uwdata\/flechette)@/.test(specifier)) continue;
      assertEquals(error, undefined, specifier);
      assert(specifier.startsWith(root) || specifier.startsWith("node:"), specifier);
    }
  });

  it("without a built library fails at the first call, with all places and the remedy", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-unbuilt-" });
    try {
      const { modules } = await graphOf(MODULE);
      const root = new URL("./", MODULE).href;
      for (const { specifier } of modules) {
        if (!specifier.startsWith(root)) continue;
        const path = `${folder}/${specifier.slice(root.length)}`;
        await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
        await Deno.copyFile(new URL(specifier), path);
      }
      const program = `const dipper = await import(${JSON.stringify(`file://${folder}/mod.ts`)});
        await tell(() => dipper.memory());`;
      const told = await runOne(
        program.replace("const dipper", "const copy").replace(
          "dipper.memory",
          "copy.memory",
        ),
        { flags: ["--allow-all"] },
      );
      assertEquals([told.name, told.code], ["UnsupportedError", "LibraryNotLoaded"]);
      assertStringIncludes(told.message!, `${folder}/build/`);
      assertStringIncludes(told.message!, "npm package");
      assertStringIncludes(told.message!, "deno task build");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

async function graphOf(module: string): Promise<{ modules: { specifier: string }[] }> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--no-config", module],
  }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

describe("DIPPER_LIBRARY", () => {
  const source = "await tell(() => dipper.memory().bytes);";

  it("names another library, where reading the variable is granted", async () => {
    const folder = await Deno.makeTempDir({ prefix: "dipper-library-" });
    const copy = `${folder}/${LIBRARY.slice(LIBRARY.lastIndexOf("/") + 1)}`;
    const env = { DIPPER_LIBRARY: copy };
    const granted = ["--allow-env=DIPPER_LIBRARY", `--allow-read=${copy}`];
    try {
      await Deno.copyFile(LIBRARY, copy);
      assertEquals(await runOne(source, { flags: [...granted, `--allow-ffi=${copy}`], env }), {
        ok: 0,
      });
      const told = await runOne(source, { flags: granted, env });
      assertEquals([told.name, flagsIn(told)], ["PermissionError", [`--allow-ffi=${copy}`]]);
      // Without the variable's permission it is the build's library that is meant.
      assertEquals(flagsIn(await runOne(source, { flags: [], env })), [FFI]);
      assertEquals(await runOne(source, { flags: [FFI], env }), { ok: 0 });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("that is no library is listed with its reason, and the next place is tried", async () => {
    const env = { DIPPER_LIBRARY: "/dev/null/none.so" };
    const flags = ["--allow-env=DIPPER_LIBRARY", "--allow-read", "--allow-ffi"];
    assertEquals(await runOne(source, { flags, env }), { ok: 0 });
    const only = await runOne(source, {
      flags: ["--allow-env=DIPPER_LIBRARY", "--allow-read", "--allow-ffi=/dev/null/none.so"],
      env,
    });
    assertEquals([only.name, flagsIn(only)], ["PermissionError", [FFI]]);
  });
});

describe("a program that fails", () => {
  it("is told with the line of the program that asked, in loops too", async () => {
    const calls = [
      `dipper.file("/a/b").text()`,
      `(async () => { for await (const _ of dipper.file("/a/b").stream()); })()`,
      `(async () => { for await (const _ of dipper.lines("/a/b")); })()`,
      `(async () => { for await (const _ of dipper.lines("/a/b", { batch: true })); })()`,
      `(async () => { for await (const _ of dipper.frames("/a/b", { length: "u32be" })); })()`,
    ];
    const source = calls.map((call) => `await tell(() => ${call}.catch(({ stack }) => stack));`);
    const told = await runWell(source.join("\n"), { flags: [FFI] });
    assertEquals(told.length, calls.length);
    for (const [at, { ok }] of told.entries()) {
      assertStringIncludes(String(ok), "PermissionError", calls[at]);
      assertStringIncludes(String(ok), "program.ts", calls[at]);
    }
  });

  it("ends with the error, asks nothing and hangs nowhere", async () => {
    const { code, output } = await run(
      `await new dipper.S3Client({ endpoint: "http://127.0.0.1:1" }).buckets();`,
      { flags: [] },
    );
    assertEquals(code, 1);
    assertStringIncludes(output, "PermissionError");
  });
});

describe("the flags of a script that writes local files", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "dipper-flags-" });
    await Deno.mkdir(`${folder}/other`);
    await Deno.writeTextFile(`${folder}/there`, "as it was");
    await Deno.symlink("/dev/shm", `${folder}/devices`);
  });
  afterAll(() => Deno.remove(folder, { recursive: true }));

  it("are --allow-ffi=<library> and --allow-write=<path>", async () => {
    const path = `${folder}/out`;
    const told = await runOne(
      `await tell(async () => {
        const file = dipper.file(${JSON.stringify(path)});
        const first = await file.write("content");
        await new Blob(["more content"]).stream().pipeTo(file.writer());
        const second = await file.write(new Blob(["streamed"]).stream());
        return [first.size, second.size];
      });`,
      { flags: [FFI, `--allow-write=${path}`] },
    );
    assertEquals(told, { ok: [7, 8] });
    assertEquals(await Deno.readTextFile(path), "streamed");
  });

  it("are all named when they are missing, before anything is read or written", async () => {
    const from = `${folder}/there`;
    const to = `${folder}/other/to`;
    const calls: [call: string, flags: string[]][] = [
      [`file(from).write("x")`, [FFI, `--allow-write=${from}`]],
      [`file(from).write(new Blob(["x"]).stream())`, [FFI, `--allow-write=${from}`]],
      [`file(from).writer()`, [FFI, `--allow-write=${from}`]],
      [`file(from).delete()`, [FFI, `--allow-write=${from}`]],
      [`file(from).copyTo(to)`, [FFI, `--allow-read=${from}`, `--allow-write=${to}`]],
      [
        `file(from).moveTo(to)`,
        [FFI, `--allow-read=${from}`, `--allow-write=${from}`, `--allow-write=${to}`],
      ],
    ];
    for (const [call, flags] of calls) {
      const told = await runOne(
        `const { file } = dipper;
        const [from, to] = ${JSON.stringify([from, to])};
        await tell(async () => await ${call});`,
        { flags: [] },
      );
      assertEquals([told.name, flagsIn(told)], ["PermissionError", flags], call);
    }
    assertEquals(await Deno.readTextFile(from), "as it was");
  });

  it("for a table are those of reading and writing what it names", async () => {
    const path = `${folder}/table.npy`;
    const save = `using table = new dipper.EmbeddingTable(2);
      await tell(async () => { table.add([1, 2]); await table.save(input.path); });`;
    const load = `await tell(async () => {
      using table = await dipper.EmbeddingTable.load(input.path);
      return [...table.row(0)];
    });`;
    const input = { path };
    assertEquals(await runOne(save, { flags: [FFI, `--allow-write=${path}`], input }), {
      ok: null,
    });
    assertEquals(await runOne(load, { flags: [FFI, `--allow-read=${path}`], input }), {
      ok: [1, 2],
    });
    const unsaved = await runOne(save, { flags: [FFI, "--allow-read"], input });
    assertEquals([unsaved.name, flagsIn(unsaved)], ["PermissionError", [`--allow-write=${path}`]]);
    const unread = await runOne(load, { flags: [FFI, "--allow-write"], input });
    assertEquals([unread.name, flagsIn(unread)], ["PermissionError", [`--allow-read=${path}`]]);
    const nothing = await runOne(load, { flags: [], input });
    assertEquals(flagsIn(nothing), [FFI, `--allow-read=${path}`]);
    const beside = { path: `${folder}/beside.npy` };
    for (const [call, flag] of [[save, "write"], [load, "read"]] as const) {
      const told = await runOne(call, { flags: [FFI, `--allow-${flag}=${path}`], input: beside });
      assertEquals(flagsIn(told), [`--allow-${flag}=${beside.path}`]);
    }
    // The tables themselves need no more than the library.
    const none = await runOne(`await tell(() => new dipper.EmbeddingTable(2));`, { flags: [] });
    assertEquals(flagsIn(none), [FFI]);
    const token = `await tell(() => dipper.EmbeddingTable.from("dipper-table:1"));`;
    assertEquals(flagsIn(await runOne(token, { flags: [] })), [FFI]);
  });

  it("do not reach another file, nor devices by a link", async () => {
    const write = (path: string) =>
      `await tell(() => dipper.file(${JSON.stringify(path)}).write("x"));`;
    const beside = await runOne(write(`${folder}/there`), {
      flags: [FFI, `--allow-write=${folder}/other`],
    });
    assertEquals(flagsIn(beside), [`--allow-write=${folder}/there`]);
    const device = await runOne(write(`${folder}/devices/dipper-flags`), {
      flags: [FFI, "--allow-write", "--allow-read"],
    });
    assertEquals([device.name, flagsIn(device)], ["PermissionError", ["--allow-all"]]);
    assertEquals(await Deno.readTextFile(`${folder}/there`), "as it was");
  });
});
