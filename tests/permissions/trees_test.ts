// Transfers of trees ask for a directory once: what is missing is named in one error, and what Deno
// denies within the directory is not reached behind its back.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalS3, memory } from "dipper";
import { inDirectory, treeOf } from "../storage/trees.ts";
import { FFI, flagsIn, runOne } from "./child.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

describe("a transfer of a tree", () => {
  let server: LocalS3;
  let input: Record<string, unknown>;
  let net: string;
  beforeAll(async () => {
    server = await LocalS3.start();
    const { endpoint, region, credentials } = server;
    input = { endpoint, region, credentials };
    net = `--allow-net=${new URL(endpoint).host}`;
    using client = server.client();
    await client.createBucket("bucket");
    await client.file("s3://bucket/tree/a/b").write("content");
  });
  afterAll(() => server.stop());

  /** Says what a call comes to under some flags. */
  const told = (call: string, path: string, flags: string[]) =>
    runOne(
      `const path = ${JSON.stringify(path)};\nawait tell(async () => (${call}).transferred);`,
      {
        flags: [FFI, ...flags],
        input,
      },
    );
  const DOWNLOAD = `await connect().download("s3://bucket/tree", path)`;
  const UPLOAD = `await connect().upload(path, "s3://bucket/up")`;

  it("down needs the network, and to read and write the directory", () =>
    inDirectory(async (path) => {
      const directory = `${path}/new`;
      const refused = await told(DOWNLOAD, directory, []);
      assertEquals(refused.name, "PermissionError");
      const [read, write] = [`--allow-read=${directory}`, `--allow-write=${directory}`];
      assertEquals(flagsIn(refused), [net, read, write]);
      assertEquals(flagsIn(await told(DOWNLOAD, directory, [net, read])), [write]);
      assertEquals(await treeOf(path), {});
      assertEquals(await told(DOWNLOAD, directory, [net, read, write]), { ok: 1 });
      assertEquals(await treeOf(path), { "new": null, "new/a": null, "new/a/b": "content" });
    }));

  it("up and a dry run need to read it only", () =>
    inDirectory(async (path) => {
      await Deno.writeTextFile(`${path}/x`, "x");
      const read = `--allow-read=${path}`;
      assertEquals(flagsIn(await told(UPLOAD, path, [net])), [read]);
      assertEquals(await told(UPLOAD, path, [net, read]), { ok: 1 });
      const dry = `await connect().download("s3://bucket/tree", path, { dryRun: true })`;
      assertEquals(await told(dry, path, [net, read]), { ok: 1 });
    }));

  it("from bucket to bucket of another client needs both hosts, and names both", () =>
    inDirectory(async (path) => {
      const there = net.replace(/:\d+$/, ":9");
      const sync = `await connect().sync("s3://bucket/tree", "s3://other/", {
        destination: connect({ endpoint: ${
        JSON.stringify(there.replace("--allow-net=", "http://"))
      } }),
      })`;
      assertEquals(flagsIn(await told(sync, path, [])), [net, there]);
      assertEquals(flagsIn(await told(sync, path, [net])), [there]);
    }));

  it("is refused when a part of the directory is denied", () =>
    inDirectory(async (path) => {
      const allowed = [net, `--allow-read=${path}`, `--allow-write=${path}`];
      for (const [call, deny] of [[DOWNLOAD, "write"], [DOWNLOAD, "read"], [UPLOAD, "read"]]) {
        const refused = await told(call!, path, [...allowed, `--deny-${deny}=${path}/a`]);
        assertEquals(refused.name, "PermissionError");
        assertStringIncludes(refused.message!, "deny a part");
        assertStringIncludes(refused.message!, `--deny-${deny}`);
      }
      assertEquals(await treeOf(path), {});
    }));

  it("to a directory of the system's is refused", async () => {
    const refused = await told(UPLOAD, "/proc/self", [net, "--allow-read", "--allow-write"]);
    assertEquals(refused.name, "PermissionError");
  });
});
