/** A bucket of an embedded server, for the time of one test. */
import { LocalS3, type S3Client, type S3ClientOptions, type S3File } from "dipper";

/** A server, a client of it, and one bucket. */
export class Bucket implements AsyncDisposable {
  readonly #server: LocalS3;
  readonly client: S3Client;

  private constructor(server: LocalS3, client: S3Client) {
    this.#server = server;
    this.client = client;
  }

  static async start(): Promise<Bucket> {
    const server = await LocalS3.start();
    const client = server.client();
    await client.createBucket("bucket");
    return new Bucket(server, client);
  }

  /** What a client in a Worker or another process needs. */
  get options(): S3ClientOptions {
    const { endpoint, region, credentials } = this.#server;
    return { endpoint, region, credentials };
  }

  file(key: string): S3File {
    return this.client.file({ bucket: "bucket", key });
  }

  /** Makes an object and the handle on it. */
  async object(key: string, content: Parameters<S3File["write"]>[0]): Promise<S3File> {
    const file = this.file(key);
    await file.write(content);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.dispose();
    await this.#server.stop();
  }
}
