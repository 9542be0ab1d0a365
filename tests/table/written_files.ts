/** Files that Python's libraries write for the tests, in a bucket of an embedded server. */

import { LocalS3, memory, type S3Client, type S3ClientOptions } from "dipper";
import { type Table, tableFromIPC } from "@uwdata/flechette";
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** The Python that has pyarrow, polars and NumPy; tests that need it are left out without. */
export const python = Deno.env.get("DIPPER_TEST_PYTHON");

const script = fileURLToPath(new URL("write_formats.py", import.meta.url));

/** A server with the files of a format. */
export class WrittenFiles implements AsyncDisposable {
  readonly #server: LocalS3;
  readonly directory: string;
  readonly client: S3Client;

  private constructor(server: LocalS3, client: S3Client, directory: string) {
    this.#server = server;
    this.client = client;
    this.directory = directory;
  }

  /** Has them written, and starts the server. */
  static async of(format: string): Promise<WrittenFiles> {
    const directory = await Deno.makeTempDir({ prefix: "dipper-test-" });
    const bucket = join(directory, "files");
    const { success, stderr } = await new Deno.Command(python!, {
      args: [script, bucket, format],
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const server = await LocalS3.start();
    const client = server.client();
    await client.createBucket("files");
    for await (const { name } of Deno.readDir(bucket)) {
      await client.file(`s3://files/${name}`).write(await Deno.readFile(join(bucket, name)));
    }
    return new WrittenFiles(server, client, bucket);
  }

  /** Another client of the same server; the caller disposes of it. */
  sibling(options: S3ClientOptions): S3Client {
    return this.#server.client(options);
  }

  /** The URI of a file. */
  uri(name: string): string {
    return `s3://files/${name}`;
  }

  /** The bytes of a file. */
  bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return Deno.readFile(join(this.directory, name));
  }

  /** What an Arrow stream beside the files holds, read by Flechette. */
  async expected(name: string): Promise<Table> {
    return tableFromIPC(await this.bytes(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
    await Deno.remove(join(this.directory, ".."), { recursive: true });
  }
}

/** Compares two tables value by value. */
export function assertSameTable(actual: Table, expected: Table, columns = expected.names): void {
  assertEquals(actual.names, columns);
  assertEquals(actual.numRows, expected.numRows);
  for (const name of columns) {
    const [one, other] = [actual.getChild(name), expected.getChild(name)];
    assertEquals(one.nullCount, other.nullCount, `the nulls of ${name}`);
    const [values, wanted] = [[...one], [...other]];
    // One by one: the difference of whole columns would be endless.
    wanted.forEach((value, row) =>
      assertEquals(plain(values[row]), plain(value), `row ${row} of ${name}`)
    );
  }
}

/** Rows of structs are lazy; their values are what counts. */
// deno-lint-ignore no-explicit-any -- values of every type
function plain(value: any): any {
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object" && typeof value.toJSON === "function") {
    return value.toJSON();
  }
  return value;
}

/** Where a typed array lies. */
export function address(values: ArrayBufferView): number {
  const pointer = Deno.UnsafePointer.of(values as Uint8Array<ArrayBuffer>);
  return Number(Deno.UnsafePointer.value(pointer));
}
