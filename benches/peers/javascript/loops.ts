/**
 * The loops that the bridges are compared with, in plain JavaScript.
 *
 * @module
 */
import { jobGiven, measure, report } from "./meter.ts";

const job = jobGiven();

/**
 * FNV-1a of 64 bits by halves of 32: the fastest of five ways that were tried (limbs of 16 bits,
 * halves with a split multiplication, the same unrolled, this one, big integers).
 */
function fnv1a64(bytes: Uint8Array): bigint {
  let low = 0x84222325 | 0;
  let high = 0xcbf29ce4 | 0;
  for (let index = 0; index < bytes.length; index++) {
    low ^= bytes[index]!;
    const product = (low >>> 0) * 0x1b3;
    high = ((Math.imul(high, 0x1b3) + (low << 8)) | 0) + ((product / 4294967296) | 0) | 0;
    low = Math.imul(low, 0x1b3);
  }
  return BigInt(high >>> 0) << 32n | BigInt(low >>> 0);
}

function scale(numbers: Float64Array | Float32Array, factor: number): void {
  for (let index = 0; index < numbers.length; index++) numbers[index]! *= factor;
}

let once: (round: number) => void;
if (job.case === "checksum") {
  const bytes = Uint8Array.from(
    { length: job.size },
    (_, index) => Math.imul(index, 2654435761) >>> 24,
  );
  let sums = 0n;
  once = () => sums ^= fnv1a64(bytes);
} else {
  const numbers = job.way === "f64"
    ? new Float64Array(job.size / 8).fill(1)
    : new Float32Array(job.size / 4).fill(1);
  once = (round) => scale(numbers, round % 2 === 0 ? 1.5 : 1 / 1.5);
}
for (let round = 0; round < job.settle; round++) once(round);
report(
  await measure(() => {
    const times: number[] = [];
    for (let round = 0; round < job.count; round++) {
      const start = performance.now();
      once(round);
      times.push((performance.now() - start) / 1000);
    }
    return Promise.resolve({ bytes: job.size * job.count, operations: job.count, times });
  }),
);
