/** Uploads: what they hold in memory, also where a single part is larger than that. */
import { assert, assertEquals } from "@std/assert";
import { memory, type WriteOptions } from "dipper";
import { Bucket } from "./bucket.ts";
import { programAt, runProgram } from "./program.ts";
import { memoryTest } from "./settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const GIB = 2 ** 30;
const CEILING = 96 * MIB;

interface Told {
  /** Resident memory at its highest, over that when idle. */
  more: number;
  /** The numbers that stand at each MiB of the object. */
  numbers: number[];
}

/** Uploads 1 GiB in a process of its own. */
async function upload(write: WriteOptions, path?: string, tmpdir?: string): Promise<Told> {
  await using bucket = await Bucket.start();
  const args = [JSON.stringify(bucket.options), String(GIB), JSON.stringify(write)];
  const { code, stdout, stderr } = await runProgram(programAt("upload_through.ts"), {
    args: path === undefined ? args : [...args, path],
    env: tmpdir === undefined ? {} : { TMPDIR: tmpdir },
    patience: 240_000,
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const { bytes, idle, peak } = JSON.parse(stdout);
  assertEquals(bytes, GIB);
  const spans = Array.from(
    { length: GIB / MIB },
    (_, at) => [at * MIB, at * MIB + 4] as [number, number],
  );
  const found = await bucket.file("large").ranges(spans);
  const numbers = found.map((four) => new DataView(four.buffer, four.byteOffset).getUint32(0));
  return { more: peak - idle, numbers };
}

const EXPECTED = Array.from({ length: GIB / MIB }, (_, at) => at);

memoryTest("a stream of 1 GiB is uploaded within 96 MiB", async () => {
  const { more, numbers } = await upload({});
  assertEquals(numbers, EXPECTED);
  assert(more < CEILING, `${more / MIB} MiB over idle`);
});

memoryTest("a stream is uploaded within 96 MiB in parts of 400 MiB", async () => {
  const { more, numbers } = await upload({ partSize: 400 * MIB });
  assertEquals(numbers, EXPECTED);
  assert(more < CEILING, `${more / MIB} MiB over idle`);
});

memoryTest("a file is uploaded within 96 MiB in parts of 400 MiB", async () => {
  const path = await Deno.makeTempFile({ prefix: "dipper-large-" });
  try {
    using file = await Deno.open(path, { write: true });
    await file.truncate(GIB);
    const four = new Uint8Array(4);
    for (const at of EXPECTED) {
      new DataView(four.buffer).setUint32(0, at);
      await file.seek(at * MIB, Deno.SeekMode.Start);
      await file.write(four);
    }
    const { more, numbers } = await upload({ partSize: 400 * MIB }, path);
    assertEquals(numbers, EXPECTED);
    assert(more < CEILING, `${more / MIB} MiB over idle`);
  } finally {
    await Deno.remove(path);
  }
});

memoryTest("a large part lies in memory where there is no folder for it", async () => {
  const { more, numbers } = await upload({ partSize: 400 * MIB }, undefined, "/nowhere");
  assertEquals(numbers, EXPECTED);
  assert(more > 400 * MIB, `${more / MIB} MiB over idle: it was kept elsewhere`);
});
