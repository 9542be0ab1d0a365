/**
 * The messages about tables with garbage in them, by the thousand: each is refused as it comes, or
 * ends with an error that is not the library's own, or with a table. Nothing stays held.
 */

import { assert, assertEquals } from "@std/assert";
import { KIND } from "../../ffi/symbols.ts";
import { held, memoryTest } from "../memory/settled.ts";
import { codeOf, ended, json, lastError, loaded, queue, raw, submit } from "./raw_library.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const GARBAGE: Json[] = [
  ...[null, true, false, -1, 0, 0.5, 255, 256, 2 ** 31, 2 ** 53, 1e300, -1e300],
  ...["", " ", "x", "\0", "é", "日本", "\ud83e\udda2", "a".repeat(5000), "../..", "null"],
  ...["parquet", "csv", "json", "npz", "arrow", "utf-16le", "float64", "gzip", ";", '"', "\n"],
  ...["a > 1", "a = 'x' OR", "((((", "NOT NOT NOT a", "b LIKE '%%%%%'", "a IN (1, NULL)"],
  [],
  [[]],
  [null],
  ["a", "a"],
  [["a", "int64"], ["a", "nothing"]],
  {},
  { kind: "x" },
];

/** A small generator with a fixed seed: a failure can be repeated. */
function dice(seed: number): (sides: number) => number {
  return (sides) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * sides);
  };
}

/** A copy in which one value is another, is gone, or is there twice. */
function spoiled(message: Json, roll: (sides: number) => number): Json {
  if (typeof message !== "object" || message === null || roll(6) === 0) {
    return GARBAGE[roll(GARBAGE.length)]!;
  }
  if (Array.isArray(message)) {
    if (message.length === 0) return [GARBAGE[roll(GARBAGE.length)]!];
    const at = roll(message.length);
    if (roll(4) === 0) return [...message, message[at]!];
    return message.map((value, index) => index === at ? spoiled(value, roll) : value);
  }
  const names = Object.keys(message).filter((name) => !["operation", "client"].includes(name));
  const name = names[roll(names.length)];
  if (name === undefined) return message;
  if (roll(6) === 0) {
    return Object.fromEntries(Object.entries(message).filter(([other]) => other !== name));
  }
  return { ...message, [name]: spoiled(message[name]!, roll) };
}

/** The codes that are nobody's input's fault. */
const OWN_FAULTS = ["Internal", "OutOfMemory"];

/** Submits a message; nothing when it is refused as it comes. */
function submitted(message: Json): number | undefined {
  const bytes = json([{ granted: [], request: message }]);
  const handle = new Float64Array(1);
  const room = new Uint8Array(handle.buffer);
  const answer = raw.dipper_submit(queue, bytes, bytes.length, room, room.length);
  if (answer < 0) {
    assertEquals(codeOf(answer), "Internal");
    // Whoever sends what has another form is a broken caller, and is told so.
    assert(lastError()!.message.includes("form"));
    return undefined;
  }
  return handle[0]!;
}

memoryTest(
  "openBatches: garbage in its source, files, columns, condition and dialect",
  async () => {
    const directory = await Deno.makeTempDir({ prefix: "dipper-test-" });
    const path = `${directory}/table.csv`;
    await Deno.writeTextFile(path, "a,b,day\n1,x,2024-01-01\n2,y,2024-01-02\n");
    const source = { scheme: "file", path };
    const whole: Json = {
      operation: "openBatches",
      source,
      columns: ["a", "day", "part"],
      filter: "a > 1 AND b <> 'z'",
      limit: 5,
      int64AsFloat64: true,
      progress: false,
      files: [
        { source, partitions: [["part", "1"]] },
        { source, partitions: [["part", null]] },
      ],
      dialect: {
        format: "csv",
        delimiter: ",",
        quote: '"',
        escape: "\\",
        comment: "#",
        header: true,
        skip: 0,
        names: ["a", "b", "day"],
        types: [["a", "int64"]],
        nullValues: ["NA"],
        inferBytes: 1000,
        encoding: "utf-8",
        compression: "none",
      },
    };
    const roll = dice(7);
    const counts = { refused: 0, failed: 0, tables: 0 };
    for (let round = 0; round < 60; round++) {
      const batch: number[] = [];
      for (let index = 0; index < 50; index++) {
        // The first one is sound, so that what is spoiled is known to be read.
        const message = round + index === 0 ? whole : spoiled(whole, roll);
        const handle = submitted(message);
        if (handle === undefined) counts.refused++;
        else batch.push(handle);
      }
      const completions = await ended(batch.length);
      for (const { kind, value, status, payload } of completions) {
        if (kind === KIND.Item) raw.dipper_buffer_release(value);
        if (kind === KIND.Failed) {
          const code = codeOf(-status);
          assert(!OWN_FAULTS.includes(code), payload);
          counts.failed++;
        }
        if (kind !== KIND.Done) continue;
        counts.tables++;
        submit([{ operation: "nextBatch", stream: value }]);
        for (const next of await ended(1)) {
          if (next.kind === KIND.Item) raw.dipper_buffer_release(next.value);
          if (next.kind === KIND.Failed) {
            assert(!OWN_FAULTS.includes(codeOf(-next.status)), next.payload);
          }
        }
        assertEquals(loaded.checked(raw.dipper_stream_release(value)), 0);
        assert(raw.dipper_stream_release(value) < 0, "it is released once");
        lastError();
      }
    }
    await Deno.remove(directory, { recursive: true });
    assert(
      counts.tables > 100 && counts.failed > 300 && counts.refused > 300,
      Deno.inspect(counts),
    );
    assertEquals(held().operations, 0);
  },
);

memoryTest("openBatches and nextBatch: handles that are none", async () => {
  const source = { scheme: "s3", bucket: "bucket", key: "key.parquet" };
  const garbage = [0, -1, 1, 0.5, 2 ** 52, 2 ** 53 - 1, 2 ** 24 + 1_000_000];
  const requests = garbage.flatMap((handle) => [
    {
      operation: "openBatches",
      client: handle,
      source,
      int64AsFloat64: false,
      progress: false,
    },
    { operation: "nextBatch", stream: handle },
  ]);
  submit(requests);
  for (const { kind, status } of await ended(requests.length)) {
    assertEquals([kind, codeOf(-status)], [KIND.Failed, "StaleHandle"]);
  }
});

memoryTest("encodeTable, encodeBatch, encodeEnd: garbage in the encoding", () => {
  const whole: Json = {
    operation: "encodeTable",
    // No upload has this number: whatever has the right form ends there.
    upload: 1,
    format: "csv",
    encoding: {
      compression: "none",
      rowGroupRows: 5,
      delimiter: 44,
      header: true,
      nullValue: "",
      plain: false,
    },
  };
  const roll = dice(11);
  return (async () => {
    let sent = 0;
    for (let round = 0; round < 1500; round++) {
      const handle = submitted(spoiled(whole, roll));
      if (handle === undefined) continue;
      sent++;
      const [completion] = await ended(1);
      assertEquals(codeOf(-completion!.status), "StaleHandle");
    }
    assert(sent > 100 && sent < 1400, `${sent}`);
  })();
});
