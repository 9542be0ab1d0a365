// Tables that are loaded and saved while the server fails: what comes is the whole matrix, number by
// number, or a typed error; no table of half a matrix, and nothing that is held.

import { assert, assertEquals, assertInstanceOf, fail } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DipperError, EmbeddingTable, memory, type S3Client } from "dipper";
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
import { PART, type Transport, TRANSPORTS } from "./operations.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 60_000;
const CLOSING = 10_000;
const DIMENSION = 64;
/** Eight parts and a bit, as 32-bit numbers. */
const ROWS = 2048;
const SIZE = 128 + ROWS * DIMENSION * 4;

const numbers = Float32Array.from({ length: ROWS * DIMENSION }, (_, at) => (at * 7919) % 10_007);

/** The same matrix as numbers that are converted on the way: of 64 bits, the highest byte first. */
function converted(): Uint8Array<ArrayBuffer> {
  const said = `{'descr': '>f8', 'fortran_order': False, 'shape': (${ROWS}, ${DIMENSION}), }\n`;
  const head = [0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, said.length, 0];
  const start = head.length + said.length;
  const bytes = new Uint8Array(start + numbers.length * 8);
  bytes.set([...head, ...new TextEncoder().encode(said)]);
  const view = new DataView(bytes.buffer, start);
  numbers.forEach((number, at) => view.setFloat64(at * 8, number));
  return bytes;
}

const FORMS = ["as they lie", "converted"] as const;
type Form = (typeof FORMS)[number];

async function store(client: S3Client, uri: string, form: Form): Promise<number> {
  if (form === "converted") {
    const bytes = converted();
    await client.file(uri).write(bytes);
    return bytes.length;
  }
  using table = new EmbeddingTable(DIMENSION);
  table.addMany(numbers);
  await table.save(uri, { client });
  return SIZE;
}

/** The code of the error, or `"exact"`. A table with other numbers fails at once. */
async function outcomeOf(client: S3Client, uri: string): Promise<string> {
  let table: EmbeddingTable;
  try {
    table = await EmbeddingTable.load(uri, { client });
  } catch (error) {
    assertInstanceOf(error, DipperError);
    assertEquals(error.uri, uri);
    return error.code;
  }
  try {
    assertEquals([table.length, table.dimension], [ROWS, DIMENSION]);
    for (let row = 0; row < ROWS; row++) {
      assertEquals(table.row(row), numbers.subarray(row * DIMENSION, (row + 1) * DIMENSION));
    }
  } finally {
    table.dispose();
  }
  return "exact";
}

interface Trouble {
  what: What;
  once: string[];
  forEver: string[];
}

const FAULTS: Record<string, Trouble> = {
  "a reset": { what: { kind: "reset" }, once: ["exact"], forEver: ["ConnectionBroken"] },
  "a body that is cut": { what: { kind: "close" }, once: ["exact"], forEver: ["ConnectionBroken"] },
  "a stall": { what: { kind: "stall" }, once: ["exact"], forEver: ["Stalled"] },
  "a 503": {
    what: SLOW_DOWN,
    once: ["exact"],
    forEver: ["SlowDown"],
  },
  "a 200 with an error": {
    what: FAILED_200,
    once: ["exact"],
    forEver: ["ServerFailure"],
  },
  "a wrong Content-Range": {
    what: { kind: "contentRange" },
    once: ["NotS3"],
    forEver: ["NotS3"],
  },
};

/** The bytes where a fault happens: in the header's part, in the middle, in the last part. */
const PLACES: Record<string, (size: number) => number> = {
  "within the header": () => 50,
  "in the middle": (size) => Math.floor(size / 2),
  "near the end": (size) => size - 1000,
};

async function run(
  transport: Transport,
  form: Form,
  fault: (size: number) => Fault,
  expected: string[],
): Promise<void> {
  await using bucket = await FaultBucket.make({});
  using client = bucket.client({
    transport,
    partSize: PART,
    connections: 4,
    stallTimeout: 1000,
    retries: 3,
  });
  const uri = bucket.uri("table.npy");
  const size = await store(client, uri, form);
  await bucket.add(fault(size));
  const outcome = await within(DEADLINE, outcomeOf(client, uri));
  await bucket.untilQuiet(CLOSING);
  assert(expected.includes(outcome), `${outcome} instead of ${expected.join(" or ")}`);
  const { fired } = await bucket.report();
  if (fired[0] === 0) fail("the fault never happened");
}

for (const transport of TRANSPORTS) {
  describe(`tables amid faults, ${transport}`, { ignore: control === undefined }, () => {
    for (const [name, { what, once, forEver }] of Object.entries(FAULTS)) {
      it(name, async () => {
        const ends = [[1, once], [null, forEver]] as const;
        const cases = FORMS.flatMap((form) =>
          Object.values(PLACES).flatMap((place) =>
            ends.map(([times, expected]) => {
              const fault = (size: number): Fault => ({ on: "get", at: place(size), times, what });
              return run(transport, form, fault, expected);
            })
          )
        );
        await Promise.all(cases);
        await settled();
      });
    }

    it("a flipped bit is found before there is a table", async () => {
      for (const form of FORMS) {
        const flip = (size: number): Fault => ({
          on: "get",
          at: Math.floor(size / 2),
          what: { kind: "flip" },
        });
        await run(transport, form, flip, ["ChecksumMismatch"]);
      }
      await settled();
    });

    it("another ETag is another object", async () => {
      for (const form of FORMS) {
        const other = (size: number): Fault => ({
          on: "get",
          at: Math.floor(size / 2),
          times: null,
          what: { kind: "head", set: { etag: '"changed"' } },
        });
        await run(transport, form, other, ["ObjectChanged"]);
      }
      await settled();
    });

    it("an object that is overwritten meanwhile gives no table of two", async () => {
      await using bucket = await FaultBucket.make({});
      using client = bucket.client({ transport, partSize: PART, connections: 2, retries: 3 });
      const uri = bucket.uri("table.npy");
      await store(client, uri, "as they lie");
      await bucket.add({ on: "get", at: 3 * PART, what: { kind: "stall", ms: 1000 } });
      const loading = outcomeOf(client, uri);
      // Only then there is an ETag that the rest is asked for by.
      while ((await bucket.report()).fired[0] === 0) await new Promise((go) => setTimeout(go, 10));
      using other = new EmbeddingTable(DIMENSION);
      other.addMany(numbers.map((number) => -number));
      await other.save(uri, { client });
      // What was read before may have been all of it. Other numbers fail in `outcomeOf`.
      const outcome = await within(DEADLINE, loading);
      assert(["ObjectChanged", "exact"].includes(outcome), outcome);
      other.dispose();
      await settled();
    });

    it("a signal ends a load that waits, at the header, in the middle, at the end", async () => {
      await settled("an earlier test left nothing");
      for (const form of FORMS) {
        for (const place of Object.values(PLACES)) {
          await using bucket = await FaultBucket.make({});
          using client = bucket.client({ transport, partSize: PART, stallTimeout: 60_000 });
          const uri = bucket.uri("table.npy");
          const size = await store(client, uri, form);
          await bucket.add({ on: "get", at: place(size), times: null, what: { kind: "stall" } });
          const ending = new AbortController();
          const reason = new Error("enough");
          const { signal } = ending;
          const loading = EmbeddingTable.load(uri, { client, signal }).then(
            () => fail("it was loaded"),
            (error) => error,
          );
          while ((await bucket.report()).fired[0] === 0) {
            await new Promise((go) => setTimeout(go, 10));
          }
          ending.abort(reason);
          assertEquals(await within(DEADLINE, loading), reason);
          await bucket.untilQuiet(CLOSING);
          await settled("it let go of its memory");
        }
      }
    });

    it("a save that fails leaves the old table, and one that is tried again is whole", async () => {
      for (const [times, expected] of [[1, "saved"], [null, "ConnectionBroken"]] as const) {
        await using bucket = await FaultBucket.make({});
        using client = bucket.client({ transport, partSize: PART, connections: 2, retries: 2 });
        const uri = bucket.uri("table.npy");
        await store(client, uri, "as they lie");
        await bucket.add({ on: "write", key: "table.npy", times, what: { kind: "reset" } });
        using other = new EmbeddingTable(DIMENSION);
        other.addMany(numbers.map((number) => number + 1));
        const outcome = await within(
          DEADLINE,
          other.save(uri, { client }).then(() => "saved", (error: DipperError) => error.code),
        );
        assertEquals(outcome, expected);
        using loaded = await EmbeddingTable.load(uri, { client });
        assertEquals(loaded.row(5)[3], numbers[5 * DIMENSION + 3]! + (times === 1 ? 1 : 0));
        assertEquals((await bucket.report()).uploads, [], "no upload is left");
      }
      await settled();
    });
  });
}
