/**
 * One object of 1 GiB the other way, into the embedded S3 server over files in memory. Each client
 * sends it as its own first example does: in one piece or in parts.
 *
 * @module
 */
import { type BenchCase, cpuColumn, gigabytesPerSecond, isPeer, peakColumn } from "./bench_case.ts";
import { BUCKET, OBJECTS } from "./setup/objects.ts";

/** The case. */
export const upload: BenchCase = {
  name: "upload",
  server: "LocalS3",
  served: [],
  job: { case: "upload", bucket: BUCKET, key: "uploaded", size: OBJECTS.large.size },
  touch: 2 * OBJECTS.large.size,
  rate: gigabytesPerSecond,
  columns: [cpuColumn, peakColumn],
  contenders: [
    { label: "dipper write()", role: "dipper", program: "dipper" },
    { label: "aws-sdk-rust, one PUT", role: "peer", program: "aws-sdk-rust" },
    { label: "boto3, transfer manager", role: "peer", program: "boto3" },
    { label: "obstore", role: "peer", program: "obstore" },
    { label: "s3dlio", role: "peer", program: "s3dlio" },
    { label: "Bun S3Client", role: "JavaScript peer", program: "Bun S3Client" },
    { label: "@aws-sdk/client-s3 in Deno", role: "JavaScript peer", program: "@aws-sdk/client-s3" },
  ],
  figures: (results) => [
    results.atLeast(
      "1 GiB upload, against the best peer",
      1.2,
      "dipper write()",
      results.best(isPeer),
    ),
  ],
};
