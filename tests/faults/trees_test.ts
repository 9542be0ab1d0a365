// Transfers of trees that end in the middle: killed, with a full disk, in a directory that cannot be
// written.

import { LocalS3, memory, type S3Client } from "dipper";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { mayMount } from "../storage/own_mounts.ts";
import { inDirectory, treeOf } from "../storage/trees.ts";
import { type Limits, StallingProxy } from "./stalling_proxy.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MODULE = new URL("../../mod.ts", import.meta.url).href;
const COUNT = 400;
const TEMPORARY = /(?:^|\/)\.dipper-/;

function contentOf(number: number): string {
  return `${number} `.repeat(1 + number * 97 % 5000);
}

describe("a transfer of a tree", () => {
  let server: LocalS3;
  let client: S3Client;
  const expected: Record<string, string> = {};
  beforeAll(async () => {
    server = await LocalS3.start();
    client = server.client();
    await client.createBucket("bucket");
    for (let number = 0; number < COUNT; number++) {
      expected[`${number % 7}/${number}`] = contentOf(number);
    }
    await inDirectory(async (path) => {
      for (const [name, text] of Object.entries(expected)) {
        await Deno.mkdir(`${path}/${name.split("/")[0]}`, { recursive: true });
        await Deno.writeTextFile(`${path}/${name}`, text);
      }
      await Deno.writeFile(`${path}/large`, new Uint8Array(40_000_000).fill(65));
      await client.upload(path, "s3://bucket/tree");
    });
  });
  afterAll(async () => {
    client.dispose();
    await server.stop();
  });

  /** Runs a program that makes a transfer. */
  function start(
    source: string,
    endpoint: string = server.endpoint,
    wrapper: readonly string[] = [],
  ): Deno.ChildProcess {
    const { region, credentials } = server;
    const options = JSON.stringify({ endpoint, region, credentials, stallTimeout: 60_000 });
    const program = `
      import { S3Client } from ${JSON.stringify(MODULE)};
      using client = new S3Client(${options});
      ${source}
    `;
    const url = `data:application/typescript,${encodeURIComponent(program)}`;
    const [command, ...args] = [...wrapper, Deno.execPath(), "run", "-A", "--no-check", url];
    return new Deno.Command(command!, {
      args,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs a program until the network has carried so much, then kills it. */
  async function killed(source: string, limits: Limits): Promise<void> {
    await using proxy = new StallingProxy(server.endpoint, limits);
    const child = start(source, proxy.endpoint);
    const output = Promise.all([child.stderr, child.stdout].map((one) => new Response(one).text()));
    await Promise.race([proxy.stalled, child.status]);
    // What has come is written meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill("SIGKILL");
    const { signal } = await child.status;
    assertEquals(signal, "SIGKILL", `it ended before it could be killed: ${await output}`);
    await output;
  }

  /** The paths of files. */
  function filesIn(path: string): string[] {
    return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) =>
      isDirectory ? filesIn(`${path}/${name}`).map((inner) => `${name}/${inner}`) : [name]
    );
  }

  for (const [when, down] of [["start", 1_000_000], ["middle", 8_000_000], ["end", 40_000_000]]) {
    it(`down that was killed at the ${when} is made again, and is whole`, () =>
      inDirectory(async (path) => {
        const directory = `${path}/new`;
        const source = `await client.download("s3://bucket/tree", ${JSON.stringify(directory)});`;
        await killed(source, { down: down as number });
        const left = filesIn(directory);
        const finished = left.filter((name) => !TEMPORARY.test(name)).length;
        assert(finished < COUNT + 1, "it was killed before its end");
        if (when !== "start") assert(left.length > finished, "it left something behind");
        const report = await client.download("s3://bucket/tree", directory);
        assertEquals([report.transferred, report.skipped], [COUNT + 1 - finished, finished]);
        const tree = await treeOf(directory);
        assertEquals(filesIn(directory).filter((name) => TEMPORARY.test(name)), []);
        assertEquals(tree["large"]?.length, 40_000_000);
        for (const [name, text] of Object.entries(expected)) assertEquals(tree[name], text);
        assertEquals(filesIn(directory).length, COUNT + 1);
      }));
  }

  for (const [when, up] of [["start", 100_000], ["middle", 3_000_000], ["end", 40_000_000]]) {
    it(`up that was killed at the ${when} is made again, and is whole`, () =>
      inDirectory(async (path) => {
        await client.download("s3://bucket/tree", path);
        const prefix = `s3://bucket/up-${when}/`;
        const source = `await client.upload(${JSON.stringify(path)}, ${JSON.stringify(prefix)});`;
        await killed(source, { up: up as number });
        const finished = (await client.list(prefix).toArray()).length;
        const left = await client.incompleteUploads(prefix).toArray();
        if (when === "end") assertEquals(left.length, 1, "an upload in parts was left behind");
        assert(finished < COUNT + 1, "it was killed before its end");
        const report = await client.upload(path, prefix);
        assertEquals([report.transferred, report.skipped], [COUNT + 1 - finished, finished]);
        assertEquals(await client.incompleteUploads(prefix).toArray(), []);
        await inDirectory(async (back) => {
          await client.download(prefix, back);
          const tree = await treeOf(back);
          assertEquals(filesIn(back).length, COUNT + 1);
          assertEquals(tree["large"]?.length, 40_000_000);
          for (const [name, text] of Object.entries(expected)) assertEquals(tree[name], text);
        });
      }));
  }

  describe("of several large files at once", () => {
    const LARGE = [40_000_000, 33_554_433, 20_000_001, 17_000_000];
    const contentAt = (place: number): Uint8Array => {
      const bytes = new Uint8Array(LARGE[place]!);
      for (let at = 0; at < bytes.length; at += 1021) bytes[at] = (at + place) % 253;
      return bytes;
    };
    let source: string;
    beforeAll(async () => {
      source = await Deno.realPath(await Deno.makeTempDir());
      await Deno.mkdir(`${source}/deep`);
      for (const place of LARGE.keys()) {
        await Deno.writeFile(`${source}/deep/${place}`, contentAt(place));
      }
      await client.upload(source, "s3://bucket/large");
    });
    afterAll(() => Deno.remove(source, { recursive: true }));

    function assertWhole(directory: string): void {
      assertEquals(filesIn(directory).sort(), LARGE.map((_, place) => `deep/${place}`));
      for (const place of LARGE.keys()) {
        const [read, expected] = [
          Deno.readFileSync(`${directory}/deep/${place}`),
          contentAt(place),
        ];
        assert(read.length === expected.length && read.every((byte, at) => byte === expected[at]));
      }
    }

    for (const down of [3_000_000, 30_000_000, 70_000_000, 105_000_000]) {
      it(`down, killed after ${down} bytes and once more, is whole in the end`, () =>
        inDirectory(async (path) => {
          const directory = `${path}/new`;
          const program = `await client.download("s3://bucket/large", ${
            JSON.stringify(directory)
          });`;
          await killed(program, { down });
          const left = filesIn(directory).filter((name) => TEMPORARY.test(name));
          assert(left.length > 0, "it left something behind");
          // A second run removes what the first left, and leaves something of its own.
          await killed(program, { down: 2_000_000 });
          const still = filesIn(directory).filter((name) => left.includes(name));
          assertEquals(still, [], "what the first run left is gone");
          const { failures } = await client.download("s3://bucket/large", directory);
          assertEquals(failures, []);
          assertWhole(directory);
        }));
    }

    for (const up of [9_000_000, 40_000_000, 80_000_000, 110_000_000]) {
      it(`up, killed after ${up} bytes and once more, is whole in the end`, async () => {
        const prefix = `s3://bucket/large-${up}/`;
        const program = `await client.upload(${JSON.stringify(source)}, ${
          JSON.stringify(prefix)
        });`;
        await killed(program, { up });
        const left = await client.incompleteUploads(prefix).toArray();
        assert(left.length > 0, "uploads in parts were left behind");
        await killed(program, { up: 9_000_000 });
        const ids = new Set(left.map(({ uploadId }) => uploadId));
        const still = await client.incompleteUploads(prefix).toArray();
        assertEquals(still.filter(({ uploadId }) => ids.has(uploadId)), []);
        const finished = (await client.list(prefix).toArray()).length;
        const report = await client.upload(source, prefix);
        assertEquals([report.transferred, report.skipped], [LARGE.length - finished, finished]);
        assertEquals(await client.incompleteUploads(prefix).toArray(), []);
        await inDirectory(async (back) => {
          await client.download(prefix, back);
          assertWhole(back);
        });
      });
    }
  });

  /** What a program tells of a download into a file system of its own. */
  async function downloadedInto(mount: string, path: string): Promise<Record<string, unknown>> {
    const mounted = `mount -t tmpfs -o size=8m none "$1" && ${mount} && shift && exec "$@"`;
    const child = start(
      `
      const report = await client.download("s3://bucket/tree", ${JSON.stringify(path)}, {
        onError: "collect",
      });
      const left = [...Deno.readDirSync(${JSON.stringify(path)})].map(({ name }) => name);
      console.log(JSON.stringify({
        transferred: report.transferred,
        failures: report.failures.map(({ error }) => [error.name, error.code, error.message]),
        temporary: left.filter((name) => name.startsWith(".dipper-")),
      }));
      `,
      server.endpoint,
      ["unshare", "-r", "-m", "sh", "-c", mounted, "sh", path],
    );
    const [{ code }, out, err] = await Promise.all([
      child.status,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    assertEquals(code, 0, err);
    return JSON.parse(out);
  }

  it(
    "to a full disk fails for what does not fit",
    { ignore: !mayMount },
    () =>
      inDirectory(async (path) => {
        const told = await downloadedInto("true", path);
        const failures = told.failures as string[][];
        assertEquals(told.temporary, []);
        assertEquals(told.transferred as number + failures.length, COUNT + 1);
        assert(failures.length >= 1);
        for (const [, code, message] of failures) {
          assertEquals(code, "FileFailed");
          assertStringIncludes(message!, "disk is full");
        }
      }),
  );

  it(
    "to a read-only directory fails for every file",
    { ignore: !mayMount },
    () =>
      inDirectory(async (path) => {
        const told = await downloadedInto(`mount -o remount,ro "$1"`, path);
        const failures = told.failures as string[][];
        assertEquals([told.transferred, failures.length], [0, COUNT + 1]);
        for (const [name, code, message] of failures) {
          assertEquals([name, code], ["AccessDeniedError", "AccessDenied"]);
          assertStringIncludes(message!, "read-only");
        }
      }),
  );

  it("up from a directory that vanishes reports what is missing, and what was sent", () =>
    inDirectory(async (path) => {
      const files = 2000;
      await Deno.mkdir(`${path}/up`);
      for (let file = 0; file < files; file++) await Deno.writeTextFile(`${path}/up/${file}`, "x");
      using slow = server.client({ connections: 1 });
      let there = true;
      const report = await slow.upload(`${path}/up`, "s3://bucket/vanished", {
        onError: "collect",
        onProgress() {
          if (there) Deno.removeSync(`${path}/up`, { recursive: true });
          there = false;
        },
      });
      assertEquals(report.transferred + report.failures.length, files);
      assert(report.transferred > 0 && report.failures.length > 0);
      for (const { error } of report.failures) assertEquals(error.code, "NotFound");
      const listed = await client.list("s3://bucket/vanished/").toArray();
      assertEquals(listed.length, report.transferred);
    }));

  it("that is stopped rejects with the reason, and leaves no temporary file", () =>
    inDirectory(async (path) => {
      await using proxy = new StallingProxy(server.endpoint, { down: 6_000_000 });
      using throttled = server.client({ endpoint: proxy.endpoint, stallTimeout: 60_000 });
      const ending = new AbortController();
      const reason = new Error("enough");
      const stopped = throttled.download("s3://bucket/tree", path, { signal: ending.signal })
        .then(() => "it was over before it was stopped", (error) => error);
      await proxy.stalled;
      while (!filesIn(path).some((name) => TEMPORARY.test(name))) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      ending.abort(reason);
      assertEquals(await stopped, reason);
      assertEquals(filesIn(path).filter((name) => TEMPORARY.test(name)), []);
      assert(filesIn(path).length < COUNT + 1);
      assertEquals(memory().operations, 0);
    }));
});
