/**
 * `@aws-sdk/client-s3` in Deno. The package is not named by an import of ours, so that neither the
 * lock file nor the type check of the repository knows it: the bench installs it in `.cache/`.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { jobGiven, report, run } from "./meter.ts";

// deno-lint-ignore no-explicit-any -- the package and its types are installed by the bench
const sdk: any = await import(process.env["BENCH_AWS_SDK"] ?? "");

const job = jobGiven();
const client = new sdk.S3Client({
  endpoint: job.endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  // Its handler is Node's, which does not look at Deno's --cert.
  ...(job.ca && { requestHandler: { httpsAgent: { ca: readFileSync(job.ca, "utf8") } } }),
  credentials: { accessKeyId: job.accessKeyId, secretAccessKey: job.secretAccessKey },
});

async function get(key: string, range?: string): Promise<ArrayBuffer> {
  const answer = await client.send(
    new sdk.GetObjectCommand({ Bucket: job.bucket, Key: key, Range: range }),
  );
  const bytes: Uint8Array<ArrayBuffer> = await answer.Body.transformToByteArray();
  return bytes.buffer;
}

report(
  await run(job, {
    get: (key) => get(key),
    range: (key, start, end) => get(key, `bytes=${start}-${end - 1}`),
    async list() {
      let count = 0;
      for await (const page of sdk.paginateListObjectsV2({ client }, { Bucket: job.bucket })) {
        count += page.Contents?.length ?? 0;
      }
      return count;
    },
    async put(key, body) {
      await client.send(new sdk.PutObjectCommand({ Bucket: job.bucket, Key: key, Body: body }));
    },
  }),
);
