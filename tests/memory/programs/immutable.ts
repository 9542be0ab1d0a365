/** Immutable buffers, where V8's flag switches them on. Prints what each attempt led to. */
import { DipperError, LocalS3, memory, RustBuffer } from "../../../mod.ts";
import { gcUntilZero } from "./gc_until_zero.ts";

async function attempts(): Promise<Record<string, unknown>> {
  const buffer = new RustBuffer(4096);
  const view = buffer.view();
  view.set([1, 2, 3, 4]);
  const address = Deno.UnsafePointer.value(buffer.pointer);
  const adopted = buffer.adopt({ immutable: true }) as ArrayBuffer & { immutable?: boolean };
  const bytes = new Uint8Array(adopted);
  const content = [...bytes.subarray(0, 4)];
  try {
    bytes[0] = 9;
  } catch {
    // In strict code a refused write may throw.
  }
  const nameOf = (run: () => unknown): string => {
    try {
      run();
      return "nothing";
    } catch (error) {
      return error instanceof Error ? error.name : String(error);
    }
  };
  await using server = await LocalS3.start();
  using client = server.client();
  await client.createBucket("bucket");
  const file = client.file("s3://bucket/object");
  await file.write(bytes);
  const into = await file.into(bytes).then(
    () => ["filled"],
    (error) => error instanceof DipperError ? [error.name, error.message.split(";")[0]] : [error],
  );
  const back = await file.text();
  const report = memory();
  return {
    immutable: adopted.immutable,
    sameAddress: Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)) === address,
    content,
    viewLength: view.length,
    written: [...bytes.subarray(0, 4)],
    transfer: nameOf(() => adopted.transfer(0)),
    into,
    written2: back.length === 4096 && back.startsWith("\x01\x02\x03\x04") ? "whole" : "broken",
    held: { bytes: report.bytes, adopted: report.adopted },
  };
}

const result = await attempts();
console.log(JSON.stringify({ ...result, end: await gcUntilZero() }));
