/**
 * One object of 1 GiB the other way, into versitygw over files in memory: a server that is not ours
 * and checks signatures. Each client sends it as its own first example does: in one piece or in
 * parts.
 *
 * dipper sends memory of JavaScript, which it copies part by part, as its peers' callers have it; and
 * memory of Rust, which it sends from where it is.
 *
 * @module
 */
import { join } from "node:path";
import {
  type BenchCase,
  type Contender,
  cpuColumn,
  gigabytesPerSecond,
  type Ground,
  peakColumn,
} from "./bench_case.ts";
import { BUCKET, OBJECTS } from "./setup/objects.ts";
import type { Servers } from "./setup/servers.ts";

const { size } = OBJECTS.large;
const key = "uploaded";

/** Those that the figure names. */
const NAMED = ["boto3", "obstore", "s3dlio", "Bun S3Client", "@aws-sdk/lib-storage"];

/** The object is there whole, and then is no more. */
async function ground(servers: Servers): Promise<Ground> {
  const path = join(await servers.versitygwFolder(), key);
  return {
    job: {},
    async cleared() {
      const stored = await Deno.stat(path).catch(() => undefined);
      if (!stored) return "there is no object";
      await Deno.remove(path);
      return stored.size === size ? undefined : `the object has ${stored.size} bytes`;
    },
  };
}

/** The case. */
export const upload: BenchCase = {
  name: "upload",
  server: "versitygw",
  served: [],
  job: { case: "upload", bucket: BUCKET, key, size },
  touch: 4 * size,
  ground,
  rate: gigabytesPerSecond,
  columns: [cpuColumn, peakColumn],
  contenders: [
    { label: "dipper write(), of JavaScript", role: "dipper", program: "dipper" },
    {
      label: "dipper write(), of Rust",
      role: "dipper",
      program: "dipper",
      job: { way: "RustBuffer" },
    },
    { label: "aws-sdk-rust, one PUT", role: "peer", program: "aws-sdk-rust" },
    { label: "boto3, transfer manager", role: "peer", program: "boto3" },
    { label: "obstore", role: "peer", program: "obstore" },
    { label: "s3dlio", role: "peer", program: "s3dlio" },
    { label: "Bun S3Client", role: "JavaScript peer", program: "Bun S3Client" },
    {
      label: "@aws-sdk/lib-storage in Deno",
      role: "JavaScript peer",
      program: "@aws-sdk/lib-storage",
    },
    { label: "@aws-sdk/client-s3 in Deno", role: "JavaScript peer", program: "@aws-sdk/client-s3" },
  ],
  figures(results) {
    const best = results.best(({ program }: Contender) => NAMED.includes(program));
    return [
      results.atLeast(
        "1 GiB upload, against the best peer",
        1.2,
        "dipper write(), of JavaScript",
        best,
      ),
      results.atLeast(
        "the same from a RustBuffer",
        1.2,
        "dipper write(), of Rust",
        best,
      ),
    ];
  },
};
