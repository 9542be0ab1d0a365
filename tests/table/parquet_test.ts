// Reading Parquet: how far it is, what does not fit, and what is damaged.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DipperError,
  file,
  IntegrityError,
  memory,
  type Progress,
  S3Client,
  writeTable,
} from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

async function written(rows: number): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".parquet" });
  const id = Int32Array.from({ length: rows }, (_, row) => row);
  const half = Float64Array.from({ length: rows }, (_, row) => row / 2);
  await writeTable(path, { id, half }, { rowGroupSize: 10_000 });
  return path;
}

/** A number, whether it came as a big integer or not. */
const plain = (value: unknown): unknown => typeof value === "bigint" ? Number(value) : value;

/** A server of files that counts what it is asked for. */
function counting(files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) {
  const asked: string[] = [];
  const server = Deno.serve({ port: 0, onListen: () => {} }, (request) => {
    const bytes = files.get(new URL(request.url).pathname);
    const range = request.headers.get("range")?.match(/^bytes=(\d*)-(\d*)$/);
    if (bytes === undefined || !range) return new Response("", { status: 404 });
    asked.push(range[0]);
    const [first, last] = range[1] === ""
      ? [Math.max(0, bytes.length - Number(range[2])), bytes.length - 1]
      : [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
    const headers = {
      etag: '"one"',
      "last-modified": "Sat, 01 Jan 2000 00:00:00 GMT",
      "content-range": `bytes ${first}-${last}/${bytes.length}`,
    };
    return new Response(bytes.subarray(first, last + 1), { status: 206, headers });
  });
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  return {
    asked,
    client,
    async [Symbol.asyncDispose]() {
      client.dispose();
      await server.shutdown();
    },
  };
}

describe("Parquet", () => {
  it("asks for a small file once, and for the ends of many once", async () => {
    const small = await written(1000);
    const large = await written(300_000);
    const bytes = await Deno.readFile(large);
    assert(bytes.length > 300_000, `${bytes.length}`);
    const files = new Map([["/bucket/small.parquet", await Deno.readFile(small)]]);
    for (let at = 0; at < 5; at++) files.set(`/bucket/${at}.parquet`, bytes);
    await using server = counting(files);
    const table = await server.client.file("s3://bucket/small.parquet").table();
    assertEquals([table.numRows, server.asked.length], [1000, 1]);
    server.asked.length = 0;
    const uris = Array.from({ length: 5 }, (_, at) => `s3://bucket/${at}.parquet`);
    const many = await server.client.table(uris, { columns: ["id"], limit: 1_200_001 });
    assertEquals(many.numRows, 1_200_001);
    const ends = server.asked.filter((range) => range.startsWith("bytes=-"));
    assertEquals(ends.length, 5, server.asked.join(" "));
    await Deno.remove(small);
    await Deno.remove(large);
  });

  it("reads numbers of every kind as the other decoder does", async () => {
    const path = await Deno.makeTempFile({ suffix: ".parquet" });
    const rows = 70_000;
    const of = <T>(value: (row: number) => T): T[] =>
      Array.from({ length: rows }, (_, row) => value(row));
    const columns = {
      few: Float64Array.from(of((row) => (row * 7919) % 300 / 4)),
      many: Float64Array.from(of((row) => (row * 7919) % 65_521)),
      same: Int32Array.from(of(() => 5)),
      long: BigInt64Array.from(of((row) => BigInt(row % 1000) - 500n)),
      holes: of((row) => row % 3 === 0 ? null : row % 50),
      text: of((row) => `text ${row % 10}`),
    };
    for (const compression of ["none", "snappy", "zstd", "gzip"] as const) {
      await writeTable(path, columns, { rowGroupSize: 20_000, compression });
      for (const int64 of [undefined, "float64"] as const) {
        const table = await file(path).table({ ...(int64 && { int64 }), limit: 69_000 });
        for (const [name, wanted] of Object.entries(columns)) {
          const came = [...table.getChild(name)!];
          const told = name === "long" && int64 ? [...columns.long].map(Number) : [...wanted];
          assertEquals(
            came.map(plain),
            told.slice(0, 69_000).map(plain),
            `${name}, ${compression}`,
          );
        }
      }
    }
    await Deno.remove(path);
  });

  it("tells how far it is, and at the end how much it was", async () => {
    const path = await written(50_000);
    const told: Progress[] = [];
    const table = await file(path).table({ onProgress: (progress) => void told.push(progress) });
    assertEquals(table.numRows, 50_000);
    assert(told.length >= 5, `${told.length}`);
    assert(told.every(({ bytes }, at) => at === 0 || bytes >= told[at - 1]!.bytes));
    const last = told.at(-1)!;
    assertEquals(last.total, last.bytes);
    await Deno.remove(path);
  });

  it("refuses what is cut short or no Parquet, and says so", async () => {
    const path = await written(1000);
    const whole = await Deno.readFile(path);
    await Deno.writeFile(path, whole.subarray(0, whole.length - 100));
    const error = await assertRejects(() => file(path).table(), IntegrityError);
    assert(error.message.includes("Parquet"), error.message);
    const lies = whole.slice();
    new DataView(lies.buffer).setUint32(lies.length - 8, 0x7fff_ffff, true);
    await Deno.writeFile(path, lies);
    await assertRejects(() => file(path).table(), IntegrityError);
    const locked = whole.slice();
    locked.set(new TextEncoder().encode("PARE"), locked.length - 4);
    await Deno.writeFile(path, locked);
    const refused = await assertRejects(() => file(path).table(), DipperError);
    assertEquals(refused.code, "Unsupported");
    await Deno.remove(path);
  });

  it("reads pages that are wanted, and the same rows", async () => {
    const path = await written(50_000);
    const table = await file(path).table({
      columns: ["half"],
      where: "id BETWEEN 20000 AND 20009",
    });
    assertEquals(
      [...table.getChild("half")!],
      Array.from({ length: 10 }, (_, at) => 10_000 + at / 2),
    );
    await Deno.remove(path);
  });
});
