/**
 * An upload whose bytes are made while they are sent: the memory that it takes, whatever its size.
 * The scripted server counts and keeps nothing.
 *
 * @module
 */
import {
  type BenchCase,
  cpuColumn,
  gigabytesPerSecond,
  type Ground,
  peakColumn,
} from "./bench_case.ts";
import { SINK } from "./setup/objects.ts";
import type { Servers } from "./setup/servers.ts";

const GIB = 2 ** 30;
const key = "streamed";

/** The server got all of it. */
function ground(size: number): (servers: Servers) => Promise<Ground> {
  return (servers) => {
    const own = `${key}-${crypto.randomUUID()}`;
    return Promise.resolve({
      job: { key: own },
      async cleared() {
        const taken = await servers.takenSize(own);
        return taken === size ? undefined : `the server got ${taken ?? "no"} bytes of ${size}`;
      },
    });
  };
}

function ofSize(size: number, name: string): BenchCase {
  return {
    name: `upload memory ${name}`,
    server: "scripted",
    served: [],
    job: { case: "uploadStream", bucket: SINK, key, size },
    // The size makes up for the number.
    rounds: 1,
    minutes: 10,
    ground: ground(size),
    rate: gigabytesPerSecond,
    columns: [cpuColumn, peakColumn],
    contenders: [
      { label: "dipper writer()", role: "dipper", program: "dipper" },
      { label: "boto3, transfer manager", role: "peer", program: "boto3" },
      {
        label: "@aws-sdk/lib-storage in Deno",
        role: "JavaScript peer",
        program: "@aws-sdk/lib-storage",
      },
    ],
    figures: (results) => [
      results.within(
        `peak memory of a streamed upload, ${size / GIB} GiB`,
        "96 MiB over idle",
        96,
        "dipper writer()",
        ({ peakBytes, idleBytes }) => peakBytes - idleBytes,
      ),
    ],
  };
}

/** Of 1 GiB. */
export const uploadMemory: BenchCase = ofSize(GIB, "1 GiB");
/** Of 8 GiB: what takes more for more bytes shows here. */
export const uploadMemoryHuge: BenchCase = ofSize(8 * GIB, "8 GiB");
