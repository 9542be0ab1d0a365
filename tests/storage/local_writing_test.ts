// Local files written: whole or not at all, from everything that can be written.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
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
  type Progress,
  RustBuffer,
  S3Client,
} from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { mayMount } from "./own_mounts.ts";
import { everyKind } from "./writables.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;

describe("a local file that is written", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "dipper-writes-" });
  });
  afterAll(() => Deno.remove(folder, { recursive: true }));
  const at = (name: string): LocalFile => file(`${folder}/${name}` as `/${string}`);
  const names = async (): Promise<string[]> =>
    (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name).sort();
  const emptied = async (): Promise<void> => {
    for (const name of await names()) await Deno.remove(`${folder}/${name}`, { recursive: true });
  };

  for (const [name, make, expected] of everyKind) {
    it(`takes ${name}`, async () => {
      const one = at("kind");
      const stat = await one.write(make());
      assertEquals([stat.uri, stat.size], [one.uri, expected.length]);
      assertSameBytes(await Deno.readFile(one.path), expected);
      assertEquals(await names(), ["kind"]);
      await one.delete();
      assertEquals(memory().operations, 0);
    });
  }

  it("takes what is long from memory, text, Blobs and streams", async () => {
    const long = pattern(20 * MIB + 3, 7);
    const one = at("long");
    using buffer = new RustBuffer(long.length);
    buffer.view().set(long);
    for (const data of [long, new Blob([long]), new Blob([long]).stream(), buffer]) {
      assertEquals((await one.write(data)).size, long.length);
      assertSameBytes(await Deno.readFile(one.path), long);
    }
    // Pairs of surrogates lie across every boundary of pieces.
    const text = "x" + "🚰".repeat(5 * MIB);
    await one.write(text);
    assertEquals(await one.text(), text);
    await emptied();
  });

  it("copies what is short before the call returns", async () => {
    const bytes = pattern(100_000);
    const written = at("short").write(bytes);
    bytes.fill(0);
    await written;
    assertSameBytes(await Deno.readFile(at("short").path), pattern(100_000));
    await emptied();
  });

  it("is replaced at once, and keeps its permissions", async () => {
    const one = at("replaced");
    await Deno.writeTextFile(one.path, "old", { mode: 0o640 });
    const reader = await Deno.open(one.path);
    const halves = Promise.withResolvers<void>();
    const writing = one.write((async function* () {
      yield "new ";
      await halves.promise;
      yield "text";
    })());
    await new Promise((go) => setTimeout(go, 20));
    assertEquals(await Deno.readTextFile(one.path), "old", "while it is written");
    halves.resolve();
    await writing;
    assertEquals(await Deno.readTextFile(one.path), "new text");
    assertEquals((await Deno.stat(one.path)).mode! & 0o777, 0o640);
    assertEquals(await new Response(reader.readable).text(), "old", "who has it open keeps it");
    assertEquals(await names(), ["replaced"]);
    await emptied();
  });

  it("may be empty, and may be written by a stream", async () => {
    const one = at("empty");
    for (const data of ["", new Uint8Array(0), new Blob([]).stream(), new RustBuffer(0)]) {
      assertEquals((await one.write(data)).size, 0);
      assertEquals((await Deno.stat(one.path)).size, 0);
    }
    const writer = one.writer();
    await writer.close();
    assertEquals((await Deno.stat(one.path)).size, 0);
    const data = pattern(3 * MIB + 5);
    const stream = one.writer();
    await new Blob([data]).stream().pipeTo(stream);
    assertSameBytes(await Deno.readFile(one.path), data);
    assertEquals(metricsOf(stream)?.bytes, data.length);
    await emptied();
  });

  it("that is aborted or whose source fails leaves nothing", async () => {
    const one = at("never");
    const reason = new Error("the source broke");
    const failing = (bytes: number) =>
      (async function* () {
        yield new Uint8Array(bytes);
        await Promise.resolve();
        throw reason;
      })();
    for (const bytes of [1, 5 * MIB]) {
      assertEquals(await assertRejects(() => one.write(failing(bytes))), reason);
      assertEquals(await names(), []);
      const writer = one.writer().getWriter();
      await writer.write(new Uint8Array(bytes));
      await writer.abort(reason);
      assertEquals(await assertRejects(() => writer.closed), reason);
      assertEquals(await names(), []);
    }
    await one.write("as it was");
    await assertRejects(() => one.write(failing(2 * MIB)));
    assertEquals(await one.text(), "as it was");
    assertEquals(memory().operations, 0);
    await emptied();
  });

  it("is ended by a signal, also while its source is silent", async () => {
    const one = at("ended");
    const reason = new Error("enough");
    let cancelled: unknown;
    const silent = new ReadableStream<Uint8Array>({
      pull: () => new Promise(() => {}),
      cancel: (why) => void (cancelled = why),
    });
    const ending = new AbortController();
    const writing = one.write(silent, { signal: ending.signal });
    setTimeout(() => ending.abort(reason), 20);
    assertEquals(await assertRejects(() => writing), reason);
    assertEquals(cancelled, reason);
    for (const data of ["x", new Blob(["x"]).stream()]) {
      const call = () => one.write(data, { signal: AbortSignal.abort(reason) });
      assertEquals(await assertRejects(call), reason);
    }
    const later = new AbortController();
    const writer = one.writer({ signal: later.signal }).getWriter();
    await writer.write(new Uint8Array(10));
    later.abort(reason);
    assertEquals(await assertRejects(() => writer.closed), reason);
    await new Promise((go) => setTimeout(go, 20));
    assertEquals([await names(), memory().operations], [[], 0]);
  });

  it("is left alone with ifNoneMatch", async () => {
    const one = at("once");
    await one.write("first", { ifNoneMatch: "*" });
    for (const data of ["second", new Blob(["second"]).stream()]) {
      const call = () => one.write(data, { ifNoneMatch: "*" });
      const error = await assertRejects(call, PreconditionFailedError, "exists already");
      assertEquals([error.code, error.operation], ["PreconditionFailed", "write"]);
    }
    assertEquals(await one.text(), "first");
    // One of many wins, and its bytes are whole.
    const race = at("race");
    const bodies = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000));
    const ends = await Promise.allSettled(
      bodies.map((body) => race.write(body, { ifNoneMatch: "*" })),
    );
    const won = ends.findIndex((end) => end.status === "fulfilled");
    assertEquals(ends.filter((end) => end.status === "fulfilled").length, 1);
    assertEquals(await race.text(), bodies[won]);
    assertEquals(await names(), ["once", "race"]);
    await emptied();
  });

  it("behind a link is replaced, and the link stays", async () => {
    await Deno.writeTextFile(`${folder}/real`, "old");
    await Deno.symlink("real", `${folder}/link`);
    await at("link").write("new");
    assert((await Deno.lstat(`${folder}/link`)).isSymlink);
    assertEquals(await Deno.readTextFile(`${folder}/real`), "new");
    await assertRejects(
      () => at("link").write("x", { ifNoneMatch: "*" }),
      PreconditionFailedError,
    );
    await at("link").delete();
    assertEquals(await names(), ["real"]);
    await Deno.symlink("missing", `${folder}/link`);
    await assertRejects(() => at("link").write("x"), InvalidInputError, "leads nowhere");
    await emptied();
  });

  it("that cannot be is a typed error, and leaves nothing", async () => {
    await Deno.writeTextFile(`${folder}/plain`, "x");
    await Deno.mkdir(`${folder}/inner`);
    const cases: [name: string, error: typeof DipperError, says: string][] = [
      ["missing/a", NotFoundError, "Deno.mkdir"],
      ["inner", InvalidInputError, "is a folder"],
      ["plain/a", InvalidInputError, "is a file and no folder"],
      ["n".repeat(256), InvalidInputError, "too long"],
    ];
    for (const [name, kind, says] of cases) {
      for (const data of ["x", new Blob(["x"]).stream()]) {
        const error = await assertRejects(() => at(name).write(data), kind, says, name);
        assertEquals(error.operation, "write");
      }
    }
    const devices = ["/dev/null", "/proc/dipper", "/sys/dipper"] as const;
    for (const path of devices) await assertRejects(() => file(path).write("x"), DipperError);
    assertEquals(await names(), ["inner", "plain"]);
    await assertRejects(() => at("inner").delete(), InvalidInputError, "is a folder");
    await at("missing").delete();
    await emptied();
  });

  it("refuses what has no place in a file, slices, and unknown options", async () => {
    const one = at("options");
    const cases: [options: object, says: string][] = [
      [{ contentType: "text/plain" }, "no place for contentType"],
      [{ metadata: { a: "b" } }, "no place for metadata"],
      [{ ifMatch: '"x"' }, "no place for ifMatch"],
      [{ ifNoneMatch: '"x"' }, 'ifNoneMatch is not "*"'],
      [{ contenttype: "text/plain" }, "there is no option contenttype"],
      [{ signal: 1 }, "signal is not an AbortSignal"],
      [{ onProgress: 1 }, "onProgress is not a function"],
    ];
    for (const [options, says] of cases) {
      await assertRejects(() => one.write("x", options), InvalidInputError, says);
      assertThrows(() => one.writer(options), InvalidInputError, says);
    }
    await assertRejects(() => one.slice(1).write("x"), InvalidInputError, "the whole object");
    await assertRejects(() => one.slice(1).delete(), InvalidInputError, "the whole object");
    assertThrows(() => one.slice(1).writer(), InvalidInputError, "the whole object");
    for (const data of [7, null, undefined, {}, [1]]) {
      await assertRejects(() => one.write(data as unknown as string), InvalidInputError);
    }
    await assertRejects(
      () => one.write(ReadableStream.from([7]) as unknown as ReadableStream<Uint8Array>),
      InvalidInputError,
      "yields number",
    );
    assertEquals(await names(), []);
  });

  it("tells its progress and its metrics", async () => {
    const data = pattern(20 * MIB);
    const sources = [data, new Blob([data]).stream(), new Blob(["x"]), "text", ""];
    for (const source of sources) {
      const seen: Progress[] = [];
      const stat = await at("told").write(source, { onProgress: (now) => void seen.push(now) });
      assertEquals([seen.at(-1)?.bytes, seen.at(-1)?.total], [stat.size, stat.size]);
      assertEquals([metricsOf(stat)?.bytes, metricsOf(stat)?.transport], [stat.size, "file"]);
    }
    const reason = new Error("from the listener");
    for (const source of [data, new Blob([data]).stream(), "text"]) {
      const call = () =>
        at("thrown").write(source, {
          onProgress: () => {
            throw reason;
          },
        });
      assertEquals(await assertRejects(call), reason);
    }
    await emptied();
  });

  it("whose data is detached meanwhile fails and leaves nothing", async () => {
    const data = new Uint8Array(50 * MIB);
    const writing = at("detached").write(data);
    await Promise.resolve();
    data.buffer.transfer(0);
    await assertRejects(() => writing, InvalidInputError, "detached");
    assertEquals(await names(), []);
  });

  it("on a full disk is a typed error and leaves nothing", { ignore: !mayMount }, async () => {
    const script = new URL("full_disk_child.ts", import.meta.url).pathname;
    const command = new Deno.Command("unshare", {
      args: ["-rm", "sh", "-c", `mount -t tmpfs -o size=1m none "$0" && exec "$@"`, folder].concat(
        [Deno.execPath(), "run", "-A", "--no-check", script, folder],
      ),
    });
    const { success, stdout, stderr } = await command.output();
    assert(success, new TextDecoder().decode(stderr));
    const told = JSON.parse(new TextDecoder().decode(stdout));
    for (const one of told.full) {
      assertEquals([one.name, one.code], ["InvalidInputError", "FileFailed"]);
      assertStringIncludes(one.message, "the disk is full");
    }
    assertEquals(told.full.length, 3);
    assertEquals(told.left, ["before"]);
    assertEquals(told.before, "as it was");
    assertEquals(told.readOnly.map((one: { name: string }) => one.name), [
      "AccessDeniedError",
      "AccessDeniedError",
      "AccessDeniedError",
    ]);
    assertStringIncludes(told.readOnly[0].message, "read-only");
  });

  it("goes through its client", async () => {
    const client = new S3Client();
    const one = client.file(`${folder}/client` as `/${string}`);
    const writer = one.writer().getWriter();
    await writer.write(new Uint8Array(3 * MIB));
    client.dispose();
    const error = await assertRejects(() => one.write("x"), InvalidInputError);
    assertEquals(error.code, "ClientGone");
    await assertRejects(() => writer.close(), DipperError);
    assertEquals(await names(), []);
  });
});
