/** Many files as one table: globs, folders, hive partitions, and files that differ. */

import {
  batches,
  configure,
  InvalidInputError,
  LocalS3,
  memory,
  NotFoundError,
  type S3Client,
  table,
} from "dipper";
import * as flechette from "@uwdata/flechette";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { typeText } from "../../table/type_text.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** The Python that has pyarrow. */
const python = Deno.env.get("DIPPER_TEST_PYTHON");

type Row = Record<string, unknown>;

function rowsOf(read: { toArray(): unknown[] }): Row[] {
  return read.toArray().map((row) => ({ ...(row as Row) }));
}

describe("many files as one table", { ignore: python === undefined }, () => {
  let server: LocalS3;
  let client: S3Client;
  let directory: string;

  beforeAll(async () => {
    directory = await Deno.makeTempDir({ prefix: "dipper-test-" });
    const script = fileURLToPath(new URL("parquet_files.py", import.meta.url));
    const { success, stderr } = await new Deno.Command(python!, { args: [script, directory] })
      .output();
    assert(success, new TextDecoder().decode(stderr));
    server = await LocalS3.start();
    client = server.client();
    await client.createBucket("many");
    await client.upload(directory, "s3://many/");
  });
  afterAll(async () => {
    client.dispose();
    await server[Symbol.asyncDispose]();
    await Deno.remove(directory, { recursive: true });
  });

  const HIVE = [
    { n: 1, year: 2023, place: "a b" },
    { n: 2, year: 2023, place: "c/d" },
    { n: 3, year: 2024, place: "a b" },
    { n: 4, year: 2024, place: null },
    { n: 5, year: 2024, place: "c/d" },
  ];
  const byN = (rows: Row[]) => rows.sort((one, other) => Number(one.n) - Number(other.n));

  for (
    const [how, uri] of [
      ["a folder", () => "s3://many/hive/"],
      ["a glob", () => "s3://many/hive/**/*.parquet"],
      ["a glob of few folders", () => "s3://many/hive/year=*/place=*/*.parquet"],
      ["a local folder", () => `${directory}/hive/`],
      ["a local glob", () => `${directory}/h*e/**/*.parquet`],
    ] as const
  ) {
    it(`reads ${how}, whose folders are columns`, async () => {
      const read = await client.table(uri());
      assertEquals(read.names, ["n", "year", "place"]);
      assertEquals(byN(rowsOf(read)), HIVE);
    });
  }

  it("reads a listing, a list of handles and entries, and one file", async () => {
    const listed = await client.table(client.list("s3://many/hive/", { glob: "**/*.parquet" }));
    assertEquals(byN(rowsOf(listed)), HIVE);
    const some = await client.table([
      client.file("s3://many/fifty/07.parquet"),
      "s3://many/fifty/03.parquet",
      new URL("s3://many/fifty/05.parquet"),
      { bucket: "many", key: "fifty/04.parquet" },
    ]);
    assertEquals(rowsOf(some).map(({ n }) => n), [7, 7, 7, 3, 3, 3, 5, 5, 5, 4, 4, 4]);
    const one = await client.table("s3://many/fifty/09.parquet");
    assertEquals(rowsOf(one), [{ n: 9 }, { n: 9 }, { n: 9 }]);
  });

  it("keeps folders out on request, and refuses those that differ", async () => {
    const read = await client.table("s3://many/hive/", { hive: false });
    assertEquals(read.names, ["n"]);
    await assertRejects(
      () => client.table(["s3://many/fifty/01.parquet", ...partitioned()]),
      InvalidInputError,
      "hive: false",
    );
    const both = await client.table(["s3://many/fifty/01.parquet", ...partitioned()], {
      hive: false,
    });
    assertEquals(both.numRows, 4);
  });
  const partitioned = () => ["s3://many/days/day=2024-01-01/code=007/part.parquet"];

  it("types what folders say", async () => {
    const read = await client.table("s3://many/days/", { useDate: true });
    assertEquals(rowsOf(read), [
      { n: 1, day: new Date("2024-01-01"), code: "007" },
      { n: 1, day: new Date("2024-01-02"), code: "12" },
    ]);
    const chosen = await client.table("s3://many/days/", {
      columns: ["code"],
      where: "day > '2024-01-01'",
    });
    assertEquals(rowsOf(chosen), [{ code: "12" }]);
  });

  it("leaves out files by what their folders say, without reading them", async () => {
    const mark = client.file("s3://many/broken/year=2020/a.parquet");
    await client.file("s3://many/fifty/01.parquet").copyTo("s3://many/broken/year=2019/a.parquet");
    await mark.write("this is no Parquet file");
    const read = await client.table("s3://many/broken/", { where: "year < 2020" });
    assertEquals(rowsOf(read), Array(3).fill({ n: 1, year: 2019 }));
    const error = await assertRejects(() => client.table("s3://many/broken/"));
    assert((error as Error).message.includes("broken/year=2020"), String(error));
    await mark.delete();
  });

  it("puts columns together by name, widens numbers, and gives null for what is missing", async () => {
    const read = await client.table("s3://many/mixed/");
    assertEquals(rowsOf(read), [
      { id: 1, x: 0.5, name: null },
      { id: 2, x: 1.5, name: null },
      { id: 3_000_000_000, x: 2.5, name: "three" },
      { id: 4, x: null, name: null },
    ]);
    const some = await client.table("s3://many/mixed/*.parquet", {
      columns: ["name", "id"],
      where: "x IS NULL OR id > 2",
      int64: "float64",
    });
    assertEquals(rowsOf(some), [{ name: "three", id: 3_000_000_000 }, { name: null, id: 4 }]);
    assert(some.getChild("id")!.data[0]!.values instanceof Float64Array);
  });

  it("refuses types that no type holds, with both files", async () => {
    const error = await assertRejects(() => client.table("s3://many/unlike/"), InvalidInputError);
    assertEquals(
      error.message.includes("s3://many/unlike/1.parquet") &&
        error.message.includes("s3://many/unlike/2.parquet") && error.message.includes('"id"'),
      true,
      error.message,
    );
  });

  it("lets columns that are not wanted be of any types", async () => {
    const read = await client.table("s3://many/unlike/", { columns: [] });
    assertEquals([read.numRows, read.numCols], [2, 0]);
    for (const [name, id] of [["1", [1]], ["2", ["two"]]] as const) {
      await client.writeTable(`s3://many/partly/${name}.parquet`, { id, n: [name] });
    }
    const some = await client.table("s3://many/partly/", { columns: ["n"], where: "n > '1'" });
    assertEquals(rowsOf(some), [{ n: "2" }]);
    await assertRejects(
      () => client.table("s3://many/partly/", { columns: ["n"], where: "id = 1" }),
      InvalidInputError,
      '"id"',
    );
  });

  it("holds no file that it has read, however many there are", async () => {
    const names = Array.from({ length: 800 }, (_, at) => `s3://many/texts/${at}.csv`);
    await Promise.all(names.map((name, at) => client.file(name).write(`n,word\n${at},x\n`)));
    let [read, early, most] = [0, 0, 0];
    for await (const batch of client.batches(names)) {
      assertEquals(batch.at(0)?.n, read);
      read += batch.numRows;
      const { rss } = Deno.memoryUsage();
      if (read === 100) early = rss;
      most = Math.max(most, rss);
    }
    assertEquals(read, 800);
    // The text that a reader has read ahead was 340 KiB of each.
    assert(most - early < 100 << 20, `${(most - early) >> 20} MiB more`);
  });

  it("keeps the order of the files, and ends at the limit", async () => {
    const read = await client.table("s3://many/fifty/");
    const expected = Array.from({ length: 150 }, (_, row) => Math.floor(row / 3));
    assertEquals([...read.getChild("n")!], expected);
    const some = await client.table("s3://many/fifty/", { limit: 7 });
    assertEquals([...some.getChild("n")!], expected.slice(0, 7));
    const chosen = await client.table("s3://many/fifty/", { where: "n % 10 = 0", limit: 4 });
    assertEquals([...chosen.getChild("n")!], [0, 0, 0, 10]);
  });

  it("gives batches, anew in each loop, and may be left", async () => {
    const read = client.batches("s3://many/fifty/0*.parquet", { where: "n > 7" });
    for (let loop = 0; loop < 2; loop++) {
      const seen: unknown[] = [];
      for await (const batch of read) seen.push(...batch.getChild("n")!);
      assertEquals(seen, [8, 8, 8, 9, 9, 9]);
    }
    for await (const batch of client.batches("s3://many/fifty/")) {
      assertEquals([...batch.getChild("n")!], [0, 0, 0]);
      break;
    }
  });

  it("goes through the client of `configure`, and through another", async () => {
    const { endpoint, region, credentials } = server;
    configure({ endpoint, region, credentials });
    assertEquals((await table("s3://many/fifty/1?.parquet")).numRows, 30);
    assertEquals((await table("s3://many/fifty/", { client })).numRows, 150);
    let rows = 0;
    for await (const batch of batches("s3://many/fifty/")) rows += batch.numRows;
    assertEquals(rows, 150);
    configure({});
  });

  it("refuses what names nothing, and what cannot be meant", async () => {
    await assertRejects(() => client.table("s3://many/none/*.parquet"), NotFoundError, "none");
    await assertRejects(() => client.table(`${directory}/none*/`), NotFoundError);
    await assertRejects(() => client.table([]), InvalidInputError, "no files");
    await assertRejects(() => client.table("s3://many/[a"), InvalidInputError, "glob");
    await assertRejects(
      () => client.table(client.file("s3://many/fifty/01.parquet").slice(1)),
      InvalidInputError,
      "slice",
    );
    for (const sources of [null, 5, {}, [5]]) {
      await assertRejects(() => client.table(sources as unknown as string), InvalidInputError);
    }
    const unknown = { columns: ["none"] };
    await assertRejects(() => client.table("s3://many/fifty/", unknown), InvalidInputError, "none");
    const hive = { hive: 1 } as unknown as { hive: boolean };
    await assertRejects(() => client.table("s3://many/fifty/", hive), InvalidInputError, "hive");
  });

  it("rejects with the signal's reason", async () => {
    const reason = new Error("enough");
    const aborted = AbortSignal.abort(reason);
    const error = await assertRejects(() => client.table("s3://many/fifty/", { signal: aborted }));
    assertEquals(error, reason);
    const stop = new AbortController();
    const left = await assertRejects(async () => {
      for await (const _ of client.batches("s3://many/fifty/", { signal: stop.signal })) {
        stop.abort(reason);
      }
    });
    assertEquals(left, reason);
  });
});

describe("many files of text as one table", () => {
  let server: LocalS3;
  let client: S3Client;
  beforeAll(async () => {
    server = await LocalS3.start();
    client = server.client();
    await client.createBucket("texts");
  });
  afterAll(async () => {
    client.dispose();
    await server[Symbol.asyncDispose]();
  });

  let runs = 0;
  const written = async (...texts: [string, string][]) => {
    const folder = `s3://texts/${runs++}/`;
    for (const [name, text] of texts) await client.file(folder + name).write(text);
    return folder;
  };
  const typesOf = (read: { schema: { fields: { name: string; type: unknown }[] } }) =>
    read.schema.fields.map(({ type }) => typeText(flechette, type as never));

  it("have integers that 64 bits hold, however large they are in one of them", async () => {
    const large = 2n ** 63n + 1n;
    const texts: [string, string][] = [
      ["a.csv", "id\n7\n"],
      ["b.ndjson", `{"id":${large}}\n`],
      ["c.csv", "id\n8\n"],
    ];
    for (const order of [texts, texts.toReversed()]) {
      const folder = await written(...order);
      const uris = order.map(([name]) => folder + name);
      const read = await client.table(uris, { useBigInt: true });
      assertEquals(typesOf(read), ["uint64"]);
      assertEquals([...read.getChild("id")!].toSorted(), [7n, 8n, large]);
    }
    const folder = await written(...texts, ["d.csv", "id\n-5\n"]);
    const error = await assertRejects(
      () => client.table(folder + "*"),
      InvalidInputError,
      `column "id" is Int64 and does not become UInt64`,
    );
    for (const file of ["d.csv", "b.ndjson"]) assert(error.message.includes(folder + file));
    assert(error.hint?.includes(`{ types: { "id": "string" } }`));
    const told = await client.table(folder + "*", { types: { id: "string" } });
    assertEquals([...told.getChild("id")!], ["7", `${large}`, "8", "-5"]);
  });

  it("have the types of those that have values", async () => {
    const folder = await written(
      ["a.csv", "n,when,empty\n,,\n"],
      ["b.csv", "n,when,empty\n1,2024-02-29,\n"],
      ["c.csv", "n,when,empty\n,2024-02-29T12:30:00,\n2.5,,\n"],
    );
    const read = await client.table(folder);
    assertEquals(typesOf(read), ["float64", "timestamp[ms]", "utf8"]);
    const [day, noon] = ["2024-02-29", "2024-02-29T12:30Z"].map(Date.parse);
    assertEquals(rowsOf(read), [
      { n: null, when: null, empty: null },
      { n: 1, when: day, empty: null },
      { n: null, when: noon, empty: null },
      { n: 2.5, when: null, empty: null },
    ]);
    const nested = await written(
      ["a.ndjson", '{"a":null,"b":null}\n'],
      ["b.ndjson", '{"a":{"x":[1]},"b":true}\n'],
    );
    assertEquals(rowsOf(await client.table(nested, { where: "b IS NULL OR b" })), [
      { a: null, b: null },
      { a: { x: [1] }, b: true },
    ]);
    const unlike = await written(["a.csv", "a\n1\n"], ["b.csv", "a\nx\n"]);
    await assertRejects(() => client.table(unlike), InvalidInputError, "a.csv");
  });
});
