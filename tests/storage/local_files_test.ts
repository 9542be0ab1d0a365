// Files of this machine: named by path or URL, read by every method, mapped when asked to.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import {
  BudgetExceededError,
  DipperError,
  file,
  get,
  getMany,
  InvalidInputError,
  LocalFile,
  memory,
  metricsOf,
  NotFoundError,
  type Progress,
  S3Client,
} from "dipper";
import { pathToFileURL } from "node:url";
import { assertSameBytes, gzipped, pattern } from "./bytes.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const data = pattern(3 * MIB + 11, 6);

describe("a local file", () => {
  let folder: string;
  let path: string;
  beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "dipper-files-" });
    path = `${folder}/data.bin`;
    await Deno.writeFile(path, data);
  });
  afterAll(() => Deno.remove(folder, { recursive: true }));

  it("is named by a path, a URL in text, and a URL object", async () => {
    const url = pathToFileURL(path);
    for (const at of [path, url.href, url]) {
      const one = file(at);
      assertInstanceOf(one, LocalFile);
      assertEquals([one.path, one.name], [path, "data.bin"]);
      assertEquals(one.uri, String(at));
      assertSameBytes(await one.bytes(), data);
      assertSameBytes(await file(one).bytes(), data, "by another file");
    }
    assertInstanceOf(file("./x"), LocalFile);
    assertInstanceOf(file("../x"), LocalFile);
    assertEquals(file("./x/y.csv").name, "y.csv");
  });

  it("may have any name that a path can have", async () => {
    for (
      const name of ["a b", "100%", "%41", "ünï 🚰", "what?#x", "s3:", "new\nline", "'quo\"te", "-"]
    ) {
      const odd = `${folder}/${name}`;
      await Deno.writeTextFile(odd, name);
      assertEquals(await file(odd as `/${string}`).text(), name);
      assertEquals(await file(pathToFileURL(odd)).text(), name, "as a URL");
      await Deno.remove(odd);
    }
  });

  it("counts a relative path from the working directory at the time of reading", async () => {
    const home = Deno.cwd();
    const one = file("./data.bin");
    try {
      Deno.chdir(folder);
      assertSameBytes(await one.bytes(), data);
      assertEquals((await one.stat()).size, data.length);
    } finally {
      Deno.chdir(home);
    }
  });

  it("is read by every method", async () => {
    const one = file(path as `/${string}`);
    assertSameBytes(await one.bytes(), data, "bytes");
    assertSameBytes(await one.arrayBuffer(), data, "arrayBuffer");
    {
      using buffer = await one.buffer();
      assertSameBytes(buffer.view(), data, "buffer");
    }
    {
      using buffer = await get(path);
      assertSameBytes(buffer.view(), data, "get");
    }
    assertSameBytes(await one.into(new Uint8Array(data.length + 5)), data, "into");
    assertSameBytes(await (await one.blob()).bytes(), data, "blob");
    assertSameBytes(await new Response(one.stream()).bytes(), data, "stream");
    const [head, tail] = await one.ranges([[0, 10], [2 * MIB, 2 * MIB + 100]]);
    assertSameBytes(head!, data.subarray(0, 10), "ranges");
    assertSameBytes(tail!, data.subarray(2 * MIB, 2 * MIB + 100), "ranges");
    const [result] = await Array.fromAsync(getMany([path]));
    assertSameBytes(result!.bytes!, data, "getMany");
    assertEquals(result!.uri, path);
    assertEquals(memory().operations, 0);
  });

  it("holds text and JSON, compressed or not", async () => {
    await Deno.writeTextFile(`${folder}/cars.json`, '{"name": "ford"}');
    const packed = await gzipped(new TextEncoder().encode("hello"));
    await Deno.writeFile(`${folder}/hello.txt.gz`, packed);
    assertEquals(await file(`${folder}/cars.json`).json(), { name: "ford" });
    assertEquals(await file(`${folder}/hello.txt.gz`).text(), "hello");
  });

  it("is sliced like a Blob", async () => {
    const model = new Blob([data]);
    for (
      const [start, end] of [[], [5], [5, 100], [-7], [-9, -3], [1, -1], [9, 3], [0, 9e9], [9e9]]
    ) {
      const expected = new Uint8Array(await model.slice(start, end).arrayBuffer());
      const slice = file(path as `/${string}`).slice(start, end);
      assertSameBytes(await slice.bytes(), expected, `slice(${start}, ${end})`);
      assertSameBytes(await new Response(slice.stream()).bytes(), expected, "streamed");
    }
  });

  it("may be empty", async () => {
    const empty = `${folder}/empty` as `/${string}`;
    await Deno.writeTextFile(empty, "");
    for (const options of [{}, { map: true }]) {
      assertEquals((await file(empty, options).bytes()).length, 0);
      assertEquals(await file(empty, options).text(), "");
    }
    assertEquals(await new Response(file(empty).stream()).text(), "");
    assertEquals((await file(empty).ranges([[0, 0]]))[0]?.length, 0);
    assertEquals((await file(empty).stat()).size, 0);
  });

  it("tells its size and date, and whether it exists", async () => {
    const stat = await file(path as `/${string}`).stat();
    assertEquals(stat.size, data.length);
    assertEquals(stat.lastModified?.getTime(), (await Deno.stat(path)).mtime?.getTime());
    assertEquals(await file(path as `/${string}`).exists(), true);
    assertEquals(await file(`${folder}/missing`).exists(), false);
  });

  it("that is missing, a folder or no file at all is a typed error", async () => {
    const missing = file(`${folder}/missing`);
    for (
      const call of [
        () => missing.bytes(),
        () => missing.stat(),
        () => missing.ranges([[0, 1]]),
        () => missing.into(new Uint8Array(1)),
        () => new Response(missing.stream()).bytes(),
      ]
    ) {
      const error = await assertRejects(call, NotFoundError);
      assertStringIncludes(error.message, "missing");
      assertEquals(error.code, "NotFound");
    }
    const [result] = await Array.fromAsync(getMany([`${folder}/missing`]));
    assertEquals(result?.error?.code, "NotFound");
    for (const path of [folder, "/dev/zero"]) {
      await assertRejects(() => file(path as `/${string}`).bytes(), InvalidInputError);
    }
    await assertRejects(() => file(`${path}/below`).bytes(), DipperError);
  });

  it("that tells no size is what it has when it is opened", {
    ignore: Deno.build.os !== "linux",
  }, async () => {
    const path = "/proc/self/limits";
    assertEquals((await Deno.stat(path)).size, 0);
    const bytes = await Deno.readFile(path);
    const expected = new TextDecoder().decode(bytes);
    assert(bytes.length > 1000);
    const limits = file(path);
    assertEquals(await limits.text(), expected);
    assertSameBytes(await limits.bytes(), bytes);
    assertSameBytes(await limits.into(new Uint8Array(5000)), bytes);
    assertSameBytes(await new Response(limits.stream()).bytes(), bytes);
    assertSameBytes(await limits.slice(-10).bytes(), bytes.subarray(-10));
    assertSameBytes((await limits.ranges([[3, 9]]))[0]!, bytes.subarray(3, 9));
    const part = await Array.fromAsync(limits.slice(5, 100).lines());
    assertEquals(part.join("\n"), expected.slice(5, 100));
    const [one] = await Array.fromAsync(getMany([path]));
    assertSameBytes(one!.bytes!, bytes);
    const copy = file(`${folder}/limits`);
    await limits.copyTo(copy);
    assertEquals(await Deno.readTextFile(`${folder}/limits`), expected);
    assertEquals(await limits.checksum("crc32"), await copy.checksum("crc32"));
    assertEquals((await limits.stat()).size, 0, "as the system says");
    // One that tells a size which it does not have.
    const lying = "/sys/kernel/mm/transparent_hugepage/enabled";
    if (await file(lying).exists()) {
      assertEquals(await file(lying).text(), await Deno.readTextFile(lying));
      assertEquals(
        await Array.fromAsync(file(lying).lines()),
        (await Deno.readTextFile(lying)).trimEnd().split("\n"),
      );
    }
    // One that never ends, as far as anybody waits.
    const endless = await assertRejects(() => file("/proc/self/pagemap").bytes(), DipperError);
    assertStringIncludes(endless.message, "tells no size");
    assertEquals(memory().operations, 0);
  });

  it("that is mapped has the same bytes, and is private", async () => {
    const copy = `${folder}/mapped.bin` as `/${string}`;
    await Deno.writeFile(copy, data);
    const mapped = await file(copy, { map: true }).bytes();
    assertSameBytes(mapped, data);
    mapped.fill(7);
    assertSameBytes(await Deno.readFile(copy), data, "the file keeps its bytes");
    assertSameBytes(await file(copy, { map: true }).slice(5, -5).bytes(), data.subarray(5, -5));
    using buffer = await get(copy, { map: true });
    assertSameBytes(buffer.view(), data, "a RustBuffer");
    assertEquals(
      await file(file(copy, { map: true })).arrayBuffer().then((b) => b.byteLength),
      data.length,
    );
  });

  it("counts against the budget of the client that reads it", async () => {
    using client = new S3Client({ memoryBudget: MIB });
    await assertRejects(() => client.file(path as `/${string}`).bytes(), BudgetExceededError);
    assertEquals((await client.file(path as `/${string}`).slice(0, 1000).bytes()).length, 1000);
  });

  it("tells its progress and its metrics", async () => {
    const seen: Progress[] = [];
    const bytes = await file(path as `/${string}`).bytes({
      onProgress: (progress) => void seen.push(progress),
    });
    assertEquals([seen.at(-1)?.bytes, seen.at(-1)?.total], [data.length, data.length]);
    const metrics = metricsOf(bytes);
    assertEquals([metrics?.transport, metrics?.bytes, metrics?.copies], ["file", data.length, 0]);
    assertEquals([metrics?.requests, metrics?.estimatedCost], [0, 0]);
  });

  it("is ended by a signal and by disposing its client", async () => {
    const reason = new Error("enough");
    const one = file(path as `/${string}`);
    for (
      const call of [
        (signal: AbortSignal) => one.bytes({ signal }),
        (signal: AbortSignal) => one.stat({ signal }),
        (signal: AbortSignal) => one.ranges([[0, 1]], { signal }),
        (signal: AbortSignal) => new Response(one.stream({ signal })).bytes(),
      ]
    ) {
      assertEquals(await assertRejects(() => call(AbortSignal.abort(reason))), reason);
    }
    const client = new S3Client();
    const own = client.file(path as `/${string}`);
    await own.bytes();
    client.dispose();
    const error = await assertRejects(() => own.bytes(), InvalidInputError);
    assertEquals(error.code, "ClientGone");
    assertEquals(memory().operations, 0);
  });

  it("has no version, and only files are mapped", () => {
    assertThrows(() => file(path as `/${string}`, { versionId: "1" }), InvalidInputError);
    assertThrows(() => file("s3://bucket/key", { map: true }), InvalidInputError);
    assertThrows(() => file("http://127.0.0.1/x", { map: true }), InvalidInputError);
    const options = { map: "yes" as unknown as boolean };
    assertThrows(() => file(path as `/${string}`, options), InvalidInputError);
  });
});
