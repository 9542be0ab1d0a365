// Tables of columns that are read and written while the server fails. What is read is the whole
// table, value by value, or a typed error; what is written is there whole or not at all, with no
// upload left open. Nothing stays held, whatever happened.

import { assert, assertEquals, assertInstanceOf, fail } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DipperError, memory, type S3Client } from "dipper";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import {
  control,
  FAILED_200,
  type Fault,
  FaultBucket,
  SLOW_DOWN,
  type What,
} from "./fault_server.ts";
import { TRANSPORTS } from "./operations.ts";
import { atPoint, leftOpen, type Point, POINTS } from "./uploads.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 90_000;
const CLOSING = 10_000;
const STALL = 1500;
const ROWS = 200_000;
const BROKEN = ["ConnectionBroken", "ConnectionFailed"];

const whole = Int32Array.from({ length: ROWS }, (_, row) => Math.imul(row, 0x9e3779b1));
const halves = Float64Array.from({ length: ROWS }, (_, row) => Math.imul(row, 7919) / 2);

/** How each format is stored, before anything fails. */
const STORED: Record<string, (client: S3Client, uri: `s3://${string}`) => Promise<unknown>> = {
  parquet: (client, uri) =>
    client.writeTable(uri, { whole, halves }, { rowGroupSize: 30_000, compression: "none" }),
  arrow: (client, uri) => client.writeTable(uri, { whole, halves }),
  csv: (client, uri) => client.writeTable(uri, { whole, halves }),
  ndjson: (client, uri) => client.writeTable(uri, { whole, halves }),
  npy: (client, uri) => client.file(uri).write(npy()),
};

/** The numbers as NumPy writes them. */
function npy(): Blob {
  const said = `{'descr': '<f8', 'fortran_order': False, 'shape': (${ROWS},), }`.padEnd(117) + "\n";
  const head = Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, said.length, 0);
  return new Blob([head, said, halves]);
}

const COLUMNS: Record<string, Record<string, ArrayLike<number>>> = {
  npy: { values: halves },
};

/** The code of the error, or `"exact"`. A table with other numbers fails at once. */
async function outcomeOf(
  client: S3Client,
  uri: `s3://${string}`,
  format: string,
  inBatches: boolean,
  signal?: AbortSignal,
): Promise<string> {
  const expected = COLUMNS[format] ?? { whole, halves };
  let rows = 0;
  try {
    const options = { ...(signal && { signal }) };
    const file = client.file(uri);
    const tables = inBatches ? file.batches(options) : [await file.table(options)];
    for await (const table of tables) {
      assertEquals(table.names, Object.keys(expected));
      for (const [name, values] of Object.entries(expected)) {
        let row = rows;
        for (const value of table.getChild(name)) {
          if (Number(value) !== values[row]) fail(`row ${row} of ${name} is ${value}`);
          row++;
        }
        assertEquals(row, rows + table.numRows);
      }
      rows += table.numRows;
    }
  } catch (error) {
    if (signal?.aborted) return error === signal.reason ? "aborted" : String(error);
    assertInstanceOf(error, DipperError);
    if (["Internal", "StaleHandle"].includes(error.code)) throw error;
    assertEquals(error.uri, uri);
    return error.code;
  }
  assertEquals(rows, ROWS);
  return "exact";
}

const FAULTS: Record<string, { what: What; once: string[]; forEver: string[] }> = {
  "a reset": { what: { kind: "reset" }, once: ["exact"], forEver: BROKEN },
  "a body that is cut": { what: { kind: "close" }, once: ["exact"], forEver: BROKEN },
  "a stall": { what: { kind: "stall" }, once: ["exact"], forEver: ["Stalled", "Timeout"] },
  "a 503": {
    what: SLOW_DOWN,
    once: ["exact"],
    forEver: ["SlowDown"],
  },
  "a 500": {
    what: { kind: "status", status: 500, code: "InternalError" },
    once: ["exact"],
    forEver: ["ServerFailure"],
  },
  "a 200 with an error": {
    what: FAILED_200,
    once: ["exact"],
    forEver: ["ServerFailure"],
  },
  // Of the end of a file it says where that begins, which nothing depends on.
  "a wrong Content-Range": {
    what: { kind: "contentRange" },
    once: ["NotS3", "exact"],
    forEver: ["NotS3", "exact"],
  },
  // Whoever read nothing of the old object reads the new one, which must be the same here.
  "another ETag": {
    what: { kind: "head", set: { etag: '"changed"' } },
    once: ["ObjectChanged", "exact"],
    forEver: ["ObjectChanged", "exact"],
  },
};

/** The bytes where a fault happens. */
const PLACES: Record<string, (size: number) => number> = {
  "near the beginning": () => 2000,
  "in the middle": (size) => Math.floor(size / 2),
  "at the end": (size) => size - 50,
};

for (const transport of TRANSPORTS) {
  const options = { transport, connections: 4, retries: 3 };
  describe(`reading columns amid faults, ${transport}`, { ignore: control === undefined }, () => {
    for (const [name, { what, once, forEver }] of Object.entries(FAULTS)) {
      it(name, async () => {
        await settled("an earlier test left nothing");
        const outcomes: string[] = [];
        const cases = Object.keys(STORED).flatMap((format) =>
          Object.entries(PLACES).flatMap(([place, at]) =>
            ([[1, once], [null, forEver]] as const).map(async ([times, expected]) => {
              await using bucket = await FaultBucket.make({});
              const stallTimeout = what.kind === "stall" ? STALL : 20_000;
              using client = bucket.client({ ...options, stallTimeout });
              const uri = bucket.uri(`table.${format}`);
              await STORED[format]!(client, uri);
              const { size } = await client.file(uri).stat();
              await bucket.add({ on: "get", at: at(size), times, what } as Fault);
              const outcome = await within(
                DEADLINE,
                outcomeOf(client, uri, format, times === null),
              );
              await bucket.untilQuiet(CLOSING);
              const { fired } = await bucket.report();
              const title = `${format}, ${place}, ${times === 1 ? "once" : "for ever"}`;
              if (fired[0] === 0) outcomes.push(`${title}: the fault never happened`);
              if (!expected.includes(outcome)) outcomes.push(`${title}: ${outcome}`);
              return `${format} ${outcome}`;
            })
          )
        );
        const ended = await Promise.all(cases);
        assertEquals(outcomes, [], name);
        if (name === "a wrong Content-Range") {
          for (const format of Object.keys(STORED)) {
            assert(ended.includes(`${format} NotS3`), format);
          }
        }
        if (name === "another ETag") {
          // What is read by several ranges is found to be of two objects.
          for (const format of ["parquet", "arrow", "npy"]) {
            assert(ended.includes(`${format} ObjectChanged`), `${format}: ${ended.join()}`);
          }
        }
        await settled();
      });
    }

    it("a signal ends the reading, and all memory is free", async () => {
      await settled("an earlier test left nothing");
      for (const format of Object.keys(STORED)) {
        for (const inBatches of [false, true]) {
          await using bucket = await FaultBucket.make({});
          using client = bucket.client({ ...options, stallTimeout: 60_000 });
          const uri = bucket.uri(`table.${format}`);
          await STORED[format]!(client, uri);
          const { size } = await client.file(uri).stat();
          const at = Math.floor(size / 2);
          await bucket.add({ on: "get", at, times: null, what: { kind: "stall" } });
          const ending = new AbortController();
          const reading = outcomeOf(client, uri, format, inBatches, ending.signal);
          while ((await bucket.report()).fired[0] === 0) {
            await new Promise((go) => setTimeout(go, 10));
          }
          ending.abort(new Error("enough"));
          assertEquals(await within(DEADLINE, reading), "aborted", format);
          await bucket.untilQuiet(CLOSING);
          await settled(`${format} let go of its memory`);
        }
      }
    });

    it("an object that is replaced between batches gives no table of two", async () => {
      await using bucket = await FaultBucket.make({});
      using client = bucket.client(options);
      const uri = bucket.uri("table.parquet");
      await STORED["parquet"]!(client, uri);
      const batches = client.file(uri).batches()[Symbol.asyncIterator]();
      assertEquals((await batches.next()).done, false);
      await client.writeTable(uri, { whole, halves: halves.map((half) => -half) }, {
        rowGroupSize: 30_000,
        compression: "none",
      });
      const outcome = await (async () => {
        while (!(await batches.next()).done);
        return "whole";
      })().catch((error: DipperError) => error.code);
      assert(["ObjectChanged", "whole"].includes(outcome), outcome);
    });
  });

  describe(`writing columns amid faults, ${transport}`, { ignore: control === undefined }, () => {
    const PART = 5 * 1024 * 1024;
    /** Four parts in batches of a part's half, or one request. */
    async function* series(point: Point): AsyncGenerator<{ number: Float64Array }> {
      const batches = point === "put" ? 1 : 7;
      for (let batch = 0; batch < batches; batch++) {
        await Promise.resolve();
        yield { number: Float64Array.from({ length: 327_680 }, (_, row) => batch + row / 7) };
      }
    }
    const old = { number: Float64Array.of(1, 2, 3) };
    const ENDS: Record<string, { what: What; when?: Fault["when"]; forEver: string[] }> = {
      "a reset": { what: { kind: "reset" }, forEver: BROKEN },
      "a 503": { what: SLOW_DOWN, forEver: ["SlowDown"] },
      "a stall": { what: { kind: "stall" }, forEver: ["Stalled", "Timeout"] },
      "a lost answer": {
        what: { kind: "reset" },
        when: "done",
        // After the last request the object itself tells that it was made.
        forEver: [...BROKEN, "exact"],
      },
    };

    for (const [name, { what, when, forEver }] of Object.entries(ENDS)) {
      it(name, async () => {
        await settled("an earlier test left nothing");
        const wrong: string[] = [];
        const cases = POINTS.flatMap((point) => [1, null].map((times) => [point, times] as const));
        for (const [point, times] of cases) {
          await using bucket = await FaultBucket.make({});
          using client = bucket.client({ ...options, stallTimeout: STALL });
          const uri = bucket.uri("table.arrow");
          await client.writeTable(uri, old);
          await bucket.add({ ...atPoint(point), times, what, ...(when && { when }) });
          const title = `${point}, ${times === 1 ? "once" : "for ever"}`;
          const writing = client.writeTable(uri, series(point), { partSize: PART });
          const code = await within(DEADLINE, writing).then(() => "exact", (error) => {
            assertInstanceOf(error, DipperError, title);
            return error.code;
          });
          // Nobody can know of an upload whose name was lost.
          const unknown = when === "done" && point === "create";
          const left = unknown ? [] : await leftOpen(bucket, CLOSING);
          const { fired } = await bucket.report();
          if (fired[0] === 0) wrong.push(`${title}: the fault never happened`);
          if (left.length > 0) wrong.push(`${title}: ${code}, and an upload is left`);
          const expected = times === 1 ? ["exact"] : forEver;
          if (!expected.includes(code)) wrong.push(`${title}: ${code}`);
          using reader = bucket.client({ ...options });
          const { numRows } = await reader.file(uri).table();
          const made = point === "put" ? 327_680 : 7 * 327_680;
          // What was made although its answer was lost is made all the same.
          const rows = code === "exact" ? [made] : when === "done" ? [3, made] : [3];
          if (!rows.includes(numRows)) wrong.push(`${title}: ${code}, and ${numRows} rows`);
        }
        assertEquals(wrong, [], name);
        await settled();
      });
    }

    it("a signal ends the writing at every stage, and leaves what was there", async () => {
      await settled("an earlier test left nothing");
      for (const point of POINTS) {
        await using bucket = await FaultBucket.make({});
        using client = bucket.client({ ...options, stallTimeout: 60_000 });
        const uri = bucket.uri("table.parquet");
        await client.writeTable(uri, old);
        await bucket.add({
          ...atPoint(point),
          when: "before",
          times: null,
          what: { kind: "stall" },
        });
        const ending = new AbortController();
        const { signal } = ending;
        let told = false;
        const source = series(point);
        const writing = client.writeTable(
          uri,
          (async function* () {
            try {
              yield* source;
            } finally {
              told = true;
            }
          })(),
          { partSize: PART, compression: "none", signal },
        ).then(() => fail("it was written"), (error) => error);
        while ((await bucket.report()).fired[0] === 0) {
          await new Promise((go) => setTimeout(go, 10));
        }
        const reason = new Error("enough");
        ending.abort(reason);
        assertEquals(await within(DEADLINE, writing), reason, point);
        assert(told, "the source is told");
        // The create may have been done: nobody knows of that upload then.
        if (point !== "create") assertEquals(await leftOpen(bucket, CLOSING), [], point);
        using reader = bucket.client({ ...options });
        assertEquals((await reader.file(uri).table()).numRows, 3, point);
        await settled(`${point} let go of its memory`);
      }
    });
  });
}
