/** `where`: which rows a condition chooses, on a file that others wrote, against JavaScript's own words. */

import { file, InvalidInputError, LocalS3, memory, type S3Client, writeTable } from "dipper";
import { sampleFiles } from "sample_data";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";

memory();

interface Flight {
  delay: number | null;
  distance: number | null;
  time: number | null;
}

describe("where", () => {
  let server: LocalS3;
  let client: S3Client;
  const uri = "s3://where/flights.parquet";
  let flights: Flight[];

  beforeAll(async () => {
    server = await LocalS3.start();
    client = server.client();
    await client.createBucket("where");
    const sample = (await sampleFiles()).find(({ name }) => name === "flights-3m.parquet")!;
    await client.file(sample.path).copyTo(uri);
    const table = await client.file(uri).table({ limit: 200_000 });
    flights = table.toArray().map((row) => ({ ...(row as unknown as Flight) }));
  });
  afterAll(async () => {
    client.dispose();
    await server[Symbol.asyncDispose]();
  });

  const CASES: [string, (flight: Flight) => boolean][] = [
    ["delay > 60", ({ delay }) => delay !== null && delay > 60],
    [
      "delay > 60.5 AND distance < 500",
      ({ delay, distance }) =>
        delay !== null && distance !== null && delay > 60.5 && distance < 500,
    ],
    [
      "NOT (delay > 60 OR distance < 500)",
      ({ delay, distance }) =>
        delay !== null && distance !== null && !(delay > 60 || distance < 500),
    ],
    ["delay BETWEEN -5 AND 5", ({ delay }) => delay !== null && delay >= -5 && delay <= 5],
    [
      "delay IN (1, 2, 3, 5, 8, 13, 21)",
      ({ delay }) => delay !== null && [1, 2, 3, 5, 8, 13, 21].includes(delay),
    ],
    [
      "delay % 7 = 0 AND delay * 2 > 30",
      ({ delay }) => delay !== null && delay % 7 === 0 && delay * 2 > 30,
    ],
    ["delay IS NULL", ({ delay }) => delay === null],
    ["delay > 100000", () => false],
  ];
  for (const [where, wanted] of CASES) {
    it(`chooses the rows of ${where}`, async () => {
      const table = await client.file(uri).table({ columns: ["distance", "delay"], where });
      const expected = flights.filter(wanted);
      assertEquals(table.names, ["distance", "delay"]);
      const got = table.toArray().slice(0, expected.length)
        .map((row) => row as unknown as Flight);
      assertEquals(
        got.map(({ delay, distance }) => [delay, distance]),
        expected.map(({ delay, distance }) => [delay, distance]),
      );
      assert(table.numRows >= expected.length);
      for (const row of table.toArray()) {
        if (!wanted(row as unknown as Flight)) throw new Error(`${where}: ${JSON.stringify(row)}`);
      }
    });
  }

  it("reads columns that are not given, and ends at the limit", async () => {
    const table = await client.file(uri).table({
      columns: ["distance"],
      where: "delay > 60",
      limit: 10,
    });
    const expected = flights.filter(({ delay }) => delay !== null && delay > 60).slice(0, 10);
    assertEquals(table.names, ["distance"]);
    assertEquals(
      table.toArray().map(({ distance }) => distance),
      expected.map((one) => one.distance),
    );
    const none = await client.file(uri).table({ where: "delay > 60", limit: 0 });
    assertEquals(none.numRows, 0);
  });

  it("finds texts that are not like a pattern where all are greater than it, beside nulls", async () => {
    const path = await Deno.makeTempFile({ suffix: ".parquet" });
    await writeTable(path, { s: ["b", null, "c"] });
    for (const pattern of ["a%", "a_", "a", "b_", "b%", "d%"]) {
      const kept = await file(path).table({ where: `s NOT LIKE '${pattern}'` });
      const wanted = pattern === "b%" ? ["c"] : ["b", "c"];
      assertEquals([...kept.getChild("s")], wanted, pattern);
    }
    await Deno.remove(path);
  });

  it("refuses what is none, and says where", async () => {
    const refusals: [string, string][] = [
      ["dely > 60", 'character 1: there is no column "dely"'],
      ["delay > ", "expected an expression"],
      ["delay > 'late'", "compares with a number"],
      ["delay > 60; DROP TABLE flights", "; cannot stand here"],
      ["(".repeat(10_000), ""],
      ["NOT ".repeat(60_000) + "TRUE", "operators"],
      ["x".repeat(1 << 20), "bytes"],
    ];
    for (const [where, said] of refusals) {
      const error = await assertRejects(
        () => client.file(uri).table({ where }),
        InvalidInputError,
      );
      assert(error.message.includes(said), error.message);
    }
    for (const where of [5, {}, ["delay > 60"]]) {
      await assertRejects(
        () => client.file(uri).table({ where: where as unknown as string }),
        InvalidInputError,
      );
    }
  });

  it("gives numbers as they are asked for, after the condition", async () => {
    const options = { columns: ["delay"], where: "delay = 61", limit: 3 } as const;
    const table = await client.file(uri).table({ ...options, int64: "float64" });
    assertEquals(table.toArray().map(({ delay }) => delay), [61, 61, 61]);
  });
});
