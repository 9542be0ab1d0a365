/**
 * Bun's built-in `S3Client`. Runs in Bun.
 *
 * @module
 */
import { jobGiven, report, run } from "./meter.ts";

/** As much of Bun's types as is used here. */
interface BunS3Client {
  file(key: string): {
    arrayBuffer(): Promise<ArrayBuffer>;
    slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
    write(body: Uint8Array<ArrayBuffer>): Promise<number>;
  };
  list(options: { continuationToken?: string }): Promise<{
    contents?: unknown[];
    isTruncated?: boolean;
    nextContinuationToken?: string;
  }>;
}
type BunS3 = new (options: Record<string, string>) => BunS3Client;
const { S3Client } = (globalThis as unknown as { Bun: { S3Client: BunS3 } }).Bun;

const job = jobGiven();
const client = new S3Client({
  endpoint: job.endpoint,
  bucket: job.bucket,
  region: "us-east-1",
  accessKeyId: job.accessKeyId,
  secretAccessKey: job.secretAccessKey,
});

report(
  await run(job, {
    get: (key) => client.file(key).arrayBuffer(),
    range: (key, start, end) => client.file(key).slice(start, end).arrayBuffer(),
    async list() {
      let count = 0;
      let page = await client.list({});
      for (;;) {
        count += page.contents?.length ?? 0;
        if (!page.isTruncated || !page.nextContinuationToken) return count;
        page = await client.list({ continuationToken: page.nextContinuationToken });
      }
    },
    put: async (key, body) => void await client.file(key).write(body),
  }),
);
