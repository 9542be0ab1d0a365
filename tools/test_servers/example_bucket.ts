/**
 * The S3 that the examples in the documentation meet: the embedded server with a bucket named
 * `bucket` that holds what the examples read. They find it as a user's script finds AWS, through the
 * environment, so they run as they are printed.
 *
 * Run as a program, it keeps the contract of `test_server.ts`.
 *
 * @module
 */
import { LocalS3 } from "dipper";
import { join } from "node:path";
import { sampleDirectory } from "sample_data";

/** The objects, by key: the bytes 1 to 4, and files of `vega-datasets`. */
const OBJECTS: Record<string, () => Promise<Uint8Array<ArrayBuffer>>> = {
  "test": () => Promise.resolve(new Uint8Array([1, 2, 3, 4])),
  "flights.arrow": () => sample("flights-200k.arrow"),
  "data/cars.json": () => sample("cars.json"),
  "data/stocks.csv": () => sample("stocks.csv"),
  "notes.txt": () => Promise.resolve(new TextEncoder().encode("first line\nsecond line\n")),
};

function sample(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return Deno.readFile(join(sampleDirectory(), name));
}

if (import.meta.main) {
  await using server = await LocalS3.start();
  const client = server.client();
  await client.createBucket("bucket");
  for (const [key, read] of Object.entries(OBJECTS)) {
    await client.file(`s3://bucket/${key}`).write(await read());
  }
  console.log(JSON.stringify({
    AWS_ENDPOINT_URL: server.endpoint,
    AWS_REGION: server.region,
    AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    // The user's own settings stay out of it.
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_EC2_METADATA_DISABLED: "true",
  }));
  for await (const _ of Deno.stdin.readable) {
    // Serves until standard input closes.
  }
}
