// Where lines come from: S3, the web, sockets that stall and reset, and standard input.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";
import {
  configure,
  DipperError,
  frames,
  lines,
  NetworkError,
  NotFoundError,
  PreconditionFailedError,
  S3Client,
  TimeoutError,
} from "dipper";
import { everyWay } from "../storage/servers.ts";
import { ScriptedServer } from "../storage/scripted_server.ts";
import { FFI, MODULE, runOne } from "../permissions/child.ts";
import { bytesOf, FORMS, gathered, textOf } from "./line_files.ts";

const text = Array.from({ length: 40_000 }, (_, at) => `${at}`.padStart(99, ".")).join("\r\n");

everyWay("lines of objects", (at) => {
  it("are those of the text, in every form, whole and sliced", async () => {
    const { client, uri } = at();
    await client.file(uri("log")).write(text);
    const expected = text.split("\r\n");
    for (const options of FORMS) {
      const found: string[] = await gathered(client.file(uri("log")), options);
      assert(found.join() === expected.join(), JSON.stringify(options));
    }
    const [first] = await Array.fromAsync(client.file(uri("log")).slice(101, 202).lines());
    assertEquals(first, expected[1]);
    const last = client.file(uri("log")).slice(-10).lines();
    assertEquals(await Array.fromAsync(last), [text.slice(-10)]);
  });

  it("of an empty object are none, and of a missing one fail", async () => {
    const { client, uri } = at();
    await client.file(uri("empty")).write("");
    assertEquals(await Array.fromAsync(client.lines(uri("empty"))), []);
    const error = await assertRejects(
      () => Array.fromAsync(client.lines(uri("missing"))),
      NotFoundError,
    );
    assertStringIncludes(error.message, "missing");
    assertEquals(error.operation, "lines");
  });

  it("are of one version", async () => {
    const { client, uri } = at();
    await client.file(uri("one")).write("a\nb");
    await assertRejects(
      () => Array.fromAsync(client.lines(uri("one"), { ifMatch: '"0"' })),
      PreconditionFailedError,
    );
  });
});

/** A server that does the same with every connection. */
class Sending implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  private constructor(readonly server: Server) {}

  static async listen(
    at: { path?: string },
    serve: (socket: Socket) => void | Promise<void>,
  ): Promise<Sending> {
    const server = createServer((socket) => {
      sending.sockets.push(socket);
      socket.on("error", () => {});
      void serve(socket);
    });
    const sending: Sending = new Sending(server);
    await new Promise<void>((resolve) =>
      at.path === undefined
        ? server.listen(0, "127.0.0.1", resolve)
        : server.listen(at.path, resolve)
    );
    return sending;
  }

  get uri(): string {
    return `tcp://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe("lines of a socket", () => {
  it("are those of what is sent until its end, in every form", async () => {
    await using server = await Sending.listen({}, (socket) => void socket.end(text));
    for (const options of FORMS) {
      const found = await gathered(server.uri, options);
      assert(found.join("\r\n") === text, JSON.stringify(options));
    }
  });

  it("come as they are there, and not when a batch is full", async () => {
    let go = (): void => {};
    await using server = await Sending.listen({}, (socket) => {
      socket.write("first\nsec");
      go = () => void socket.end("ond\r\nlast");
    });
    const found = lines(server.uri)[Symbol.asyncIterator]();
    assertEquals(await found.next(), { value: "first", done: false });
    go();
    assertEquals(await found.next(), { value: "second", done: false });
    assertEquals(await found.next(), { value: "last", done: false });
    assertEquals(await found.next(), { value: undefined, done: true });
  });

  it("are read over a path of this machine", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/a socket`;
      await using _ = await Sending.listen({ path }, (socket) => void socket.end("a\nb"));
      assertEquals(await textOf(`unix://${path}`), ["a", "b"]);
      assertEquals(await textOf(new URL(`unix://${path}`)), ["a", "b"]);
      const error = await assertRejects(() => textOf(`unix://${folder}/none`), NotFoundError);
      assertStringIncludes(error.message, `${folder}/none`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("that stalls are a TimeoutError that tells how much came", async () => {
    await using server = await Sending.listen({}, (socket) => void socket.write("one\ntw"));
    const found: string[] = [];
    const error = await assertRejects(async () => {
      for await (const line of lines(server.uri, { stallTimeout: 300 })) found.push(line);
    }, TimeoutError);
    assertEquals([error.code, found], ["Stalled", ["one"]]);
    assertStringIncludes(error.message, "6 bytes");
    assertStringIncludes(error.message, "stallTimeout");
  });

  it("that is reset are a NetworkError behind the lines before it", async () => {
    await using server = await Sending.listen({}, (socket) => {
      socket.write("one\ntw", () => setTimeout(() => socket.resetAndDestroy(), 200));
    });
    const found: string[] = [];
    const error = await assertRejects(async () => {
      for await (const line of lines(server.uri)) found.push(line);
    }, NetworkError);
    assertEquals([error.code, found], ["ConnectionBroken", ["one"]]);
    assertStringIncludes(error.message, "6 bytes");
  });

  it("that nobody listens on are a NetworkError", async () => {
    let uri = "";
    {
      await using server = await Sending.listen({}, () => {});
      uri = server.uri;
    }
    const error = await assertRejects(() => textOf(uri), NetworkError);
    assertEquals(error.code, "ConnectionFailed");
    assertStringIncludes(error.message, uri);
  });

  it("end with the signal's reason, also amid a silence", async () => {
    await using server = await Sending.listen({}, (socket) => void socket.write("one\n"));
    const ending = new AbortController();
    const reason = new Error("enough");
    const found: string[] = [];
    const error = await assertRejects(async () => {
      for await (const line of lines(server.uri, { signal: ending.signal, stallTimeout: 0 })) {
        found.push(line);
        setTimeout(() => ending.abort(reason), 50);
      }
    });
    assert(error === reason);
    assertEquals(found, ["one"]);
    const again = await assertRejects(() => textOf(server.uri, { signal: ending.signal }));
    assert(again === reason);
  });

  it("end with their client", async () => {
    await using server = await Sending.listen({}, (socket) => void socket.write("one\n"));
    const client = new S3Client();
    const found = client.lines(server.uri)[Symbol.asyncIterator]();
    assertEquals((await found.next()).value, "one");
    const next = found.next();
    client.dispose();
    const error = await assertRejects(() => next, DipperError);
    assertEquals(error.code, "ClientGone");
  });

  it("are decompressed as they come", async () => {
    const packed = new Uint8Array(
      await new Response(new Blob(["a\nb\n"]).stream().pipeThrough(new CompressionStream("gzip")))
        .arrayBuffer(),
    );
    await using server = await Sending.listen({}, async (socket) => {
      for (const byte of packed) {
        socket.write(new Uint8Array([byte]));
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      socket.end();
    });
    assertEquals(await textOf(server.uri), ["a", "b"]);
  });

  it("come before the next member is there, packed by gzip or zstd", async () => {
    const packed = {
      gzip: (text: string) => gzipSync(text),
      zstd: (text: string) => zstdCompressSync(text),
    };
    for (const [name, pack] of Object.entries(packed)) {
      const { promise: seen, resolve: see } = Promise.withResolvers<void>();
      await using server = await Sending.listen({}, async (socket) => {
        socket.write(pack("one\n"));
        await seen;
        socket.end(pack("two\n"));
      });
      const found: string[] = [];
      for await (const line of lines(server.uri, { stallTimeout: 5000 })) {
        found.push(line);
        see();
      }
      assertEquals(found, ["one", "two"], name);
    }
  });

  it("are messages too", async () => {
    await using server = await Sending.listen({}, (socket) => {
      socket.write(new Uint8Array([0, 0, 0, 2, 7]));
      setTimeout(() => socket.end(new Uint8Array([8, 0, 0, 0, 0])), 20);
    });
    const found = await Array.fromAsync(frames(server.uri, { length: "u32be" }));
    assertEquals(found.map((frame) => [...frame]), [[7, 8], []]);
  });
});

describe("lines of a file that does not tell its length", () => {
  it("are those that come", { ignore: Deno.build.os !== "linux" }, async () => {
    const path = "/proc/self/limits";
    const expected = (await Deno.readTextFile(path)).split("\n").slice(0, -1);
    assert(expected.length > 5);
    for (const options of FORMS) assertEquals(await gathered(path, options), expected);
  });
});

describe("lines of a web address", () => {
  it("are read without a length, too", async () => {
    await using server = await ScriptedServer.start(async (_, reply) => {
      await reply.send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\none\ntwo");
      reply.close();
    });
    using client = new S3Client({ retries: 0 });
    assertEquals(await Array.fromAsync(client.lines(`${server.endpoint}/x`)), ["one", "two"]);
  });

  it("whose connection stalls are a TimeoutError", async () => {
    await using server = await ScriptedServer.start(async (_, reply) => {
      await reply.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\none\ntwo");
      await reply.silence();
    });
    using client = new S3Client({ retries: 0, stallTimeout: 300 });
    const found: string[] = [];
    await assertRejects(async () => {
      for await (const line of client.lines(`${server.endpoint}/x`)) found.push(line);
    }, TimeoutError);
    assertEquals(found, ["one"]);
  });
});

/** Runs a program whose standard input is given, under exactly these flags. */
async function withInput(body: string, input: Uint8Array<ArrayBuffer>, hold = false) {
  const folder = await Deno.makeTempDir();
  try {
    const program = `${folder}/program.ts`;
    await Deno.writeTextFile(
      program,
      `import { lines, memory } from ${JSON.stringify(MODULE)};\n${body}`,
    );
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-config", FFI, program],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const writer = child.stdin.getWriter();
    const written = writer.write(input).then(() => hold ? undefined : writer.close())
      .catch(() => {});
    const { code, stdout, stderr } = await child.output();
    await written;
    if (hold) await writer.close().catch(() => {});
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

describe("lines of standard input", () => {
  it("need no permission but the library's", async () => {
    const program = `
      let [count, last] = [0, ""];
      for await (const line of lines("-")) { count++; last = line; }
      console.log(count, last, memory().operations);`;
    const { code, stdout, stderr } = await withInput(program, bytesOf(text));
    assertEquals([code, stdout, stderr], [0, `40000 ${"39999".padStart(99, ".")} 0\n`, ""]);
  });

  it("can be left while nothing comes, and the program ends", async () => {
    const program = `
      for await (const line of lines("-")) { console.log(line); break; }
      console.log(memory().operations);`;
    const { code, stdout, stderr } = await withInput(program, bytesOf("one\nand"), true);
    assertEquals([code, stdout, stderr], [0, "one\n0\n", ""]);
  });

  it("have one reader at a time", async () => {
    const program = `
      const one = lines("-")[Symbol.asyncIterator]();
      console.log((await one.next()).value);
      try { for await (const _ of lines("-")); } catch (error) { console.log(error.code); }
      await one.return();
      Deno.exit(0);`;
    const { code, stdout, stderr } = await withInput(program, bytesOf("one\ntwo\n"), true);
    assertEquals([code, stdout, stderr], [0, "one\nInvalidInput\n", ""]);
  });

  it("are for the next loop once one was left", async () => {
    const program = `
      let found = 0;
      for (let loop = 0; loop < 4; loop++) for await (const _ of lines("-")) { found++; break; }
      console.log(found);
      Deno.exit(0);`;
    // More than a reader takes ahead.
    const { code, stdout, stderr } = await withInput(
      program,
      new Uint8Array(1 << 25).fill(10),
      true,
    );
    assertEquals([code, stdout, stderr], [0, "4\n", ""]);
  });
});

describe("the flags that lines need", () => {
  it("are named, all at once", async () => {
    const body = (source: string) =>
      `const { lines } = await import(${JSON.stringify(MODULE)});
       await tell(async () => await Array.fromAsync(lines(${JSON.stringify(source)})));`;
    const folder = await Deno.makeTempDir();
    try {
      for (
        const [source, flags] of [
          ["tcp://127.0.0.1:9", ["--allow-net=127.0.0.1:9"]],
          [`unix://${folder}/s`, [`--allow-read=${folder}/s`, `--allow-write=${folder}/s`]],
          [`${folder}/file`, [`--allow-read=${folder}/file`]],
        ] as const
      ) {
        const told = await runOne(body(source), { flags: [FFI] });
        assertEquals([told.name, told.code], ["PermissionError", "PermissionDenied"]);
        for (const flag of flags) assertStringIncludes(told.message ?? "", flag);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

describe("the default client", () => {
  it("is the one that configure set", async () => {
    configure({ stallTimeout: 200 });
    try {
      await using server = await Sending.listen({}, () => {});
      await assertRejects(() => textOf(server.uri), TimeoutError);
    } finally {
      configure({});
    }
  });
});
