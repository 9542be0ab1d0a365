// Copies and moves that pass this process: between schemes and between clients.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import {
  DipperError,
  file,
  InvalidInputError,
  type LocalFile,
  memory,
  metricsOf,
  NotFoundError,
  PreconditionFailedError,
  UnsupportedError,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { onBothServers } from "./servers.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const data = pattern(20 * MIB + 11, 4);

let folder: string;
const local = (name: string): LocalFile => file(`${folder}/${name}` as `/${string}`);
const names = (): string[] => Array.from(Deno.readDirSync(folder), (entry) => entry.name).sort();

function inFolder(): void {
  beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "dipper-copies-" });
  });
  afterAll(() => Deno.remove(folder, { recursive: true }));
}

onBothServers("copies between schemes", (at) => {
  inFolder();

  it("a local file goes to S3, and back", async () => {
    const { client, uri } = at();
    const source = client.file(`${folder}/a.csv` as `/${string}`);
    await source.write(data);
    const there = await source.copyTo(uri("up.csv"), { metadata: { by: "copy" } });
    assertEquals([there.uri, there.size], [uri("up.csv"), data.length]);
    assertEquals(metricsOf(there)?.bytes, data.length);
    const stat = await client.file(uri("up.csv")).stat();
    assertEquals([stat.contentType, stat.metadata], ["text/csv", { by: "copy" }]);
    const back = await client.file(uri("up.csv")).copyTo(local("b.csv"));
    assertEquals([back.uri, back.size], [local("b.csv").uri, data.length]);
    assertSameBytes(await Deno.readFile(local("b.csv").path), data);
    const gone = await source.moveTo(client.file(uri("moved.csv")));
    assertEquals(gone.size, data.length);
    assertEquals([await source.exists(), names()], [false, ["b.csv"]]);
    await client.file(uri("moved.csv")).moveTo(local("c.csv"));
    assertEquals(await client.file(uri("moved.csv")).exists(), false);
    assertSameBytes(await Deno.readFile(local("c.csv").path), data);
    for (const name of names()) await Deno.remove(`${folder}/${name}`);
  });

  it("a part goes as well", async () => {
    const { client, uri } = at();
    await client.file(uri("whole")).write(data, { contentType: "a/b" });
    await local("whole").write(data);
    for (const source of [client.file(uri("whole")), local("whole")]) {
      await source.slice(5, -7).copyTo(local("part"));
      assertSameBytes(await local("part").bytes(), data.subarray(5, -7));
      await source.slice(-3).copyTo(client.file(uri("part")));
      assertSameBytes(await client.file(uri("part")).bytes(), data.subarray(-3));
      await assertRejects(() => source.slice(1).moveTo(local("part")), InvalidInputError, "slice");
      await assertRejects(
        () => source.copyTo(local("part").slice(1)),
        InvalidInputError,
        "slice",
      );
    }
    for (const name of names()) await Deno.remove(`${folder}/${name}`);
  });

  it("between clients the bytes and what is said of them go along", async () => {
    const { client, uri, connect } = at();
    using other = connect();
    const source = client.file(uri("described.txt"));
    await source.write("hello", {
      contentType: "text/x-test",
      contentEncoding: "identity",
      metadata: { a: "b" },
    });
    const copy = other.file(uri("elsewhere.txt"));
    assertEquals((await source.copyTo(copy)).size, 5);
    const stat = await copy.stat();
    assertEquals([stat.contentType, stat.metadata], ["text/x-test", { a: "b" }]);
    await source.copyTo(copy, { contentType: "text/y" });
    assertEquals((await copy.stat()).contentType, "text/y");
  });

  it("conditions hold", async () => {
    const { client, uri } = at();
    await client.file(uri("there")).write("first");
    await local("there").write("first");
    await local("new").write("second");
    for (const to of [client.file(uri("there")), local("there")]) {
      const copy = () => local("new").copyTo(to, { ifNoneMatch: "*" });
      await assertRejects(copy, PreconditionFailedError);
      const move = () => local("new").moveTo(to, { ifNoneMatch: "*" });
      await assertRejects(move, PreconditionFailedError);
      const down = () => client.file(uri("there")).copyTo(local("new"), { ifNoneMatch: "*" });
      await assertRejects(down, PreconditionFailedError);
      assertEquals(await to.text(), "first");
    }
    assertEquals(await local("new").text(), "second");
    for (const name of names()) await Deno.remove(`${folder}/${name}`);
  });

  it("what is missing is an error, and leaves nothing", async () => {
    const { client, uri } = at();
    await assertRejects(() => client.file(uri("missing")).copyTo(local("x")), NotFoundError);
    await assertRejects(() => local("missing").copyTo(client.file(uri("x"))), NotFoundError);
    await assertRejects(() => local("missing").copyTo(local("x")), NotFoundError);
    await assertRejects(() => local("missing").moveTo(local("x")), NotFoundError);
    assertEquals([names(), await client.file(uri("x")).exists()], [[], false]);
  });

  it("a web address is copied from, and never written", async () => {
    const { client, uri } = at();
    await using server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) =>
        new URL(request.url).pathname === "/chunked"
          ? new Response(new Blob([data]).stream(), { headers: { "content-type": "text/x-page" } })
          : new Response(data, { headers: { "content-type": "text/x-page", etag: '"1"' } }),
    );
    const base = `http://127.0.0.1:${server.addr.port}` as const;
    for (const path of ["/page?token=secret", "/chunked"]) {
      const page = client.file(`${base}${path}`);
      await page.copyTo(local("page"));
      assertSameBytes(await local("page").bytes(), data, path);
      await page.copyTo(uri("page"));
      assertSameBytes(await client.file(uri("page")).bytes(), data, path);
      if (path === "/chunked") continue;
      assertEquals((await client.file(uri("page")).stat()).contentType, "text/x-page");
    }
    const page = client.file(`${base}/page?token=secret`);
    for (
      const call of [
        () => page.write("x"),
        () => page.delete(),
        () => page.moveTo(local("x")),
        // deno-lint-ignore require-await -- what it throws is to be a rejection
        async () => page.writer(),
      ]
    ) {
      const error = await assertRejects(call as () => Promise<unknown>, UnsupportedError);
      assert(!error.message.includes("secret"), error.message);
    }
    const onto = () => local("page").copyTo(page);
    const error = await assertRejects(onto, InvalidInputError, "web address");
    assert(!error.message.includes("secret"), error.message);
    await Deno.remove(local("page").path);
  });

  it("a signal ends it", async () => {
    const { client, uri } = at();
    await local("large").write(data);
    await client.file(uri("large")).write(data);
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    const pairs = [
      [local("large"), client.file(uri("x"))],
      [client.file(uri("large")), local("x")],
      [local("large"), local("x")],
    ] as const;
    for (const [from, to] of pairs) {
      assertEquals(await assertRejects(() => from.copyTo(to, { signal })), reason);
      assertEquals(await assertRejects(() => from.moveTo(to, { signal })), reason);
      assertEquals([await from.exists(), await to.exists()], [true, false]);
    }
    await Deno.remove(local("large").path);
  });
});

describe("copies between local files", () => {
  inFolder();
  afterAll(() => assertEquals(memory().operations, 0));

  it("keep permissions, and replace what is there", async () => {
    await Deno.writeFile(`${folder}/a`, data, { mode: 0o750 });
    const stat = await local("a").copyTo(local("b"));
    assertEquals([stat.uri, stat.size], [local("b").uri, data.length]);
    assertEquals(metricsOf(stat)?.transport, "file");
    assertSameBytes(await Deno.readFile(`${folder}/b`), data);
    assertEquals((await Deno.stat(`${folder}/b`)).mode! & 0o777, 0o750);
    await local("short").write("short");
    await local("short").copyTo(`${folder}/b`);
    assertEquals(await local("b").text(), "short");
    await local("b").moveTo(new URL(`file://${folder}/c`));
    assertEquals(names(), ["a", "c", "short"]);
    await local("c").moveTo(local("a"));
    assertEquals([names(), await local("a").text()], [["a", "short"], "short"]);
    for (const name of names()) await Deno.remove(`${folder}/${name}`);
  });

  it("never lose a file that is copied or moved onto itself", async () => {
    await local("a").write("kept");
    await Deno.symlink("a", `${folder}/link`);
    await Deno.link(`${folder}/a`, `${folder}/hard`);
    for (const to of [local("a"), local("link"), local("hard"), `${folder}/./a`, `${folder}//a`]) {
      await assertRejects(() => local("a").copyTo(to), InvalidInputError, "same file");
      await assertRejects(() => local("a").moveTo(to), InvalidInputError, "same file");
      assertEquals(await local("a").text(), "kept");
    }
    for (const name of names()) await Deno.remove(`${folder}/${name}`);
  });

  it("move a link as what it leads to", async () => {
    await local("real").write("text");
    await Deno.symlink("real", `${folder}/link`);
    await local("link").moveTo(local("moved"));
    assertEquals(names(), ["moved", "real"]);
    assert((await Deno.lstat(`${folder}/moved`)).isFile);
    for (const name of names()) await Deno.remove(`${folder}/${name}`);
  });

  it("refuse what is no file, and cross file systems", async () => {
    await local("a").write(data);
    for (
      const call of [
        () => file(folder as `/${string}`).copyTo(local("x")),
        () => file("/dev/zero").copyTo(local("x")),
        () => local("a").copyTo(folder),
        () => local("a").moveTo("/dev/null"),
        () => local("a").copyTo(`${folder}/missing/x`),
      ]
    ) {
      await assertRejects(call, DipperError);
      assertEquals(names(), ["a"]);
    }
    const shared = Deno.makeTempDirSync({ dir: "/dev/shm" });
    try {
      await local("a").moveTo(`${shared}/a`);
      assertEquals(names(), []);
      assertSameBytes(await Deno.readFile(`${shared}/a`), data);
      await file(`${shared}/a` as `/${string}`).moveTo(local("back"), { ifNoneMatch: "*" });
      assertSameBytes(await local("back").bytes(), data);
    } finally {
      await Deno.remove(shared, { recursive: true });
    }
    await Deno.remove(`${folder}/back`);
  });

  it("notice a source that changes meanwhile", async () => {
    await local("changing").write(data);
    const error = await assertRejects(() =>
      local("changing").slice(1).copyTo(local("copy"), {
        onProgress: () => Deno.writeTextFileSync(`${folder}/changing`, "shorter"),
      }), PreconditionFailedError);
    assertEquals(error.code, "ObjectChanged");
    assertEquals(names(), ["changing"]);
    await Deno.remove(`${folder}/changing`);
  });
});
