/**
 * `@aws-sdk/client-s3` in Deno, and `@aws-sdk/lib-storage`, which uploads with it in parts. The
 * packages are not named by an import of ours, so that neither the
 * lock file nor the type check of the repository knows it: the bench installs it in `.cache/`.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { Readable } from "node:stream";
import { jobGiven, report, run } from "./meter.ts";

// deno-lint-ignore no-explicit-any -- the package and its types are installed by the bench
const sdk: any = await import(process.env["BENCH_AWS_SDK"] ?? "");

const job = jobGiven();
// deno-lint-ignore no-explicit-any -- as above
const libStorage: any = job.way === "lib-storage"
  ? await import(process.env["BENCH_AWS_LIB_STORAGE"] ?? "")
  : undefined;
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

/** In parts, by lib-storage's own defaults. */
async function uploaded(key: string, body: unknown): Promise<void> {
  const params = { Bucket: job.bucket, Key: key, Body: body };
  await new libStorage.Upload({ client, params }).done();
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
      if (libStorage) return await uploaded(key, body);
      await client.send(new sdk.PutObjectCommand({ Bucket: job.bucket, Key: key, Body: body }));
    },
    ...(libStorage && {
      // It takes Node's streams.
      putStream: (key, chunks) => uploaded(key, Readable.from(chunks, { objectMode: false })),
    }),
  }),
);
