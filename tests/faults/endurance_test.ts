// Much is read and little is held: a long stream stays under the memory figure, and many small reads
// leave resident memory flat. The test run reads a part of it; DIPPER_TEST_STREAM_GB=20 and
// DIPPER_TEST_GETS=1000000 read all that the figures are for.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { runProgram } from "../memory/program.ts";
import { control, FaultBucket } from "./fault_server.ts";

const MIB = 1024 ** 2;
/** Peak of a stream of any size, over idle. */
const STREAM_LIMIT = 96 * MIB;
/** How far resident memory may be from where it was after warming up. */
const FLAT = 16 * MIB;
const PROGRAM = new URL("./programs/endure.ts", import.meta.url);

const gigabytes = Number(Deno.env.get("DIPPER_TEST_STREAM_GB") ?? 2);
const gets = Number(Deno.env.get("DIPPER_TEST_GETS") ?? 20_000);

interface Endured {
  right: number;
  warm: number;
  peak: number;
  end: number;
  seconds: number;
}

async function endure(bucket: FaultBucket, what: string, amount: number): Promise<Endured> {
  const { code, stdout, stderr } = await runProgram(PROGRAM, {
    args: [bucket.endpoint, bucket.name, what, String(amount)],
    patience: 20 * 60_000,
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return JSON.parse(stdout);
}

function shown({ warm, peak, end, seconds }: Endured): string {
  const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
  return `${mib(warm)} warm, ${mib(peak)} peak, ${mib(end)} in the end, ${seconds.toFixed(1)} s`;
}

// Resident memory is read from /proc.
const ignore = control === undefined || Deno.build.os !== "linux";

describe("endurance", { ignore }, () => {
  it(`a stream of ${gigabytes} GB stays ${STREAM_LIMIT / MIB} MiB over idle`, async () => {
    const size = gigabytes * 1e9;
    await using bucket = await FaultBucket.make({
      objects: { zeros: { size, checksums: [{ algorithm: "crc64nvme" }] } },
      any: { size: 1024, seed: 1 },
    });
    const endured = await endure(bucket, "stream", size);
    console.log(`a stream of ${gigabytes} GB: ${shown(endured)}`);
    assertEquals(endured.right, size);
    assert(endured.peak - endured.warm <= STREAM_LIMIT, shown(endured));
  });

  it(`${gets} small reads leave resident memory flat`, async () => {
    await using bucket = await FaultBucket.make({ any: { size: 1024, seed: 1 }, log: 0 });
    const endured = await endure(bucket, "gets", gets);
    console.log(`${gets} reads: ${shown(endured)}`);
    assertEquals(endured.right, gets);
    assert(endured.end - endured.warm <= FLAT, shown(endured));
  });
});
