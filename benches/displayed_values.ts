/**
 * Values whose displays are measured, as a user's cell would hold them.
 *
 * @module
 */
import { RustBuffer, type S3Client } from "dipper";

const HEADS: Record<string, string> = {
  zeros: "\0",
  csv: `city,people,note\n${'"Berlin, Mitte",3700000,a note\n'.repeat(4000)}`,
  json: `[${'{"id":1,"name":"Ada","tags":["a","b"]},'.repeat(3000)}`,
  text: "Some words of a log, one line after the other.\n".repeat(3000),
};

/** Makes the value of a name: `listing`, `error`, or bytes that begin so. */
export async function displayedValue(
  way: string,
  client: S3Client,
  { bucket, size }: { bucket: string; size: number },
): Promise<unknown> {
  if (way === "listing") return await client.list(`s3://${bucket}/`, { limit: 10_000 }).toArray();
  if (way === "error") {
    try {
      return client.file("s3:/typo");
    } catch (error) {
      return error;
    }
  }
  const buffer = new RustBuffer(size);
  const head = new TextEncoder().encode(HEADS[way]);
  buffer.view().set(head);
  return buffer;
}

/** Renders what a notebook shows of a value; returns how many characters that is. */
export async function displayOf(value: unknown): Promise<number> {
  const display = Reflect.get(value as object, Symbol.for("Jupyter.display")) as () => unknown;
  return JSON.stringify(await display.call(value)).length;
}
