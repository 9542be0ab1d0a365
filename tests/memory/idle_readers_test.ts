/** Readers that nobody reads on with give their memory to those that wait for some. */
import { assert, assertEquals } from "@std/assert";
import { memory, PreconditionFailedError, S3Client, type S3File } from "dipper";
import { within } from "../storage/scripted_server.ts";
import { Bucket } from "./bucket.ts";
import { assertStamped, held, memoryTest, stamp, turn } from "./settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const BUDGET = 24 * MIB;
const DEADLINE = 60_000;
const ROWS = 500_000;
/** As much as one reader held of any budget, when it had one size for all. */
const LARGE = 16 * MIB;

/** 20 MB of text in a bucket. */
async function withText(run: (bucket: Bucket, client: S3Client) => Promise<void>): Promise<void> {
  await using bucket = await Bucket.start();
  const line = (row: number) => `{"row":${row},"text":"${"x".repeat(16)}"}\n`;
  const parts = Array.from({ length: 100 }, (_, part) => {
    const rows = Array.from({ length: ROWS / 100 }, (_, row) => line(part * (ROWS / 100) + row));
    return rows.join("");
  });
  await bucket.file("rows.ndjson").write(new Blob(parts));
  assert(await bucket.file("rows.ndjson").stat().then(({ size }) => size) > LARGE + MIB);
  using client = new S3Client({ ...bucket.options, memoryBudget: BUDGET });
  await run(bucket, client);
}

/** 20 MiB of stamped bytes in a bucket. */
async function withBytes(
  run: (bucket: Bucket, file: S3File, size: number) => Promise<void>,
): Promise<void> {
  await using bucket = await Bucket.start();
  const size = 20 * MIB;
  const content = new Uint8Array(size);
  stamp(content);
  await bucket.file("bytes").write(content);
  using client = new S3Client({ ...bucket.options, memoryBudget: BUDGET });
  await run(bucket, client.file("s3://bucket/bytes"), size);
}

memoryTest("a reader of text that nobody goes on with leaves room for a second one", async () => {
  await withText(async (_, client) => {
    const file = client.file("s3://bucket/rows.ndjson");
    const idle = file.batches()[Symbol.asyncIterator]();
    const first = await idle.next();
    let rows = 0;
    for await (const { numRows } of inTime(file.batches())) rows += numRows;
    assertEquals(rows, ROWS);
    // It goes on where it was.
    let others = first.value!.numRows;
    for (let next = await idle.next(); !next.done; next = await idle.next()) {
      others += next.value.numRows;
    }
    assertEquals(others, ROWS);
  });
});

memoryTest("any number of readers of text may be open and idle", async () => {
  await withText(async (_, client) => {
    const file = client.file("s3://bucket/rows.ndjson");
    const readers = [];
    for (let reader = 0; reader < 16; reader++) {
      const lines = file.lines()[Symbol.asyncIterator]();
      const { value } = await within(DEADLINE, lines.next());
      assertEquals(JSON.parse(value!).row, 0);
      readers.push(lines);
    }
    await Promise.all(readers.map(async (lines) => {
      let row = 1;
      for (let next = await lines.next(); !next.done; next = await lines.next()) {
        if (!next.value.startsWith(`{"row":${row},`)) throw new Error(`${row}: ${next.value}`);
        row++;
      }
      assertEquals(row, ROWS);
    }));
  });
});

memoryTest("streams that wait for their readers share a budget, and go on", async () => {
  await withBytes(async (_, file, size) => {
    const streams = [];
    for (let stream = 0; stream < 16; stream++) {
      const reader = file.stream().getReader();
      const chunks = [(await within(DEADLINE, reader.read())).value!];
      streams.push({ reader, chunks });
      assert(held().bytes <= BUDGET, `${held().bytes / MIB} MiB`);
    }
    await within(
      DEADLINE,
      Promise.all(streams.map(async ({ reader, chunks }, number) => {
        for (let next = await reader.read(); !next.done; next = await reader.read()) {
          chunks.push(next.value);
          // Some are slower than others.
          if (number % 4 === 0) await turn(5);
        }
        const content = new Uint8Array(await new Blob(chunks).arrayBuffer());
        assertStamped(content, size);
        chunks.length = 0;
      })),
    );
  });
});

memoryTest("an object that changes while its reader is idle is not mixed up", async () => {
  await withBytes(async (bucket, file) => {
    const streams = [];
    for (let stream = 0; stream < 16; stream++) {
      const reader = file.stream().getReader();
      await within(DEADLINE, reader.read());
      streams.push(reader);
    }
    await bucket.file("bytes").write(new Uint8Array(20 * MIB));
    const outcomes = await within(
      DEADLINE,
      Promise.allSettled(streams.map(async (reader) => {
        for (let next = await reader.read(); !next.done; next = await reader.read());
      })),
    );
    for (const outcome of outcomes) {
      assert(outcome.status === "rejected" && outcome.reason instanceof PreconditionFailedError);
    }
  });
});

memoryTest("a reader that waits for its memory again can be cancelled", async () => {
  await withBytes(async (bucket) => {
    using client = new S3Client({ ...bucket.options, memoryBudget: 4 * MIB });
    await bucket.file("all").write(new Uint8Array(4 * MIB));
    const reader = client.file("s3://bucket/bytes").stream().getReader();
    await reader.read();
    // It gives all of the budget up, and then waits for its part of it.
    using _all = await within(DEADLINE, client.get("s3://bucket/all"));
    let came = 0;
    const rest = (async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) came++;
    })();
    await turn(500);
    const before = came;
    await turn(100);
    assertEquals(came, before, "it waits");
    await within(DEADLINE, reader.cancel());
    await within(DEADLINE, rest);
  });
});

/** Fails when the next of them does not come in time. */
async function* inTime<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  while (true) {
    const next = await within(DEADLINE, iterator.next());
    if (next.done) return;
    yield next.value;
  }
}
