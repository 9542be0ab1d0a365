/**
 * Listing 100,000 keys from a scripted server that has the pages made already and answers at once:
 * what the client itself costs.
 *
 * @module
 */
import { type BenchCase, operationsPerSecond, peakColumn } from "./bench_case.ts";
import { LISTING } from "./setup/objects.ts";

/** The case. */
export const listing: BenchCase = {
  name: "listing",
  server: "scripted",
  served: [],
  job: { case: "list", bucket: LISTING.bucket, key: "", size: 0, count: LISTING.keys },
  rate: operationsPerSecond,
  columns: [
    {
      head: "CPU s",
      of: ({ cpuSeconds }) => cpuSeconds,
      digits: 2,
    },
    peakColumn,
  ],
  contenders: [
    { label: "dipper list()", role: "dipper", program: "dipper" },
    { label: "aws-sdk-rust", role: "peer", program: "aws-sdk-rust" },
    { label: "boto3", role: "peer", program: "boto3" },
    { label: "obstore", role: "peer", program: "obstore" },
    { label: "s3dlio", role: "peer", program: "s3dlio" },
    { label: "Bun S3Client", role: "JavaScript peer", program: "Bun S3Client" },
    { label: "@aws-sdk/client-s3 in Deno", role: "JavaScript peer", program: "@aws-sdk/client-s3" },
  ],
  figures: (results) => [
    results.atLeast(
      "listing 100,000 keys, against @aws-sdk/client-s3",
      3,
      "dipper list()",
      results.named("@aws-sdk/client-s3 in Deno"),
    ),
    results.atLeast(
      "listing 100,000 keys, against obstore",
      1,
      "dipper list()",
      results.named("obstore"),
    ),
  ],
};
