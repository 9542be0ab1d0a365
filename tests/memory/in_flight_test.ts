/** Detach, resize, dispose and forget while an operation is under way. */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { DipperError, memory, RustBuffer, type S3File } from "dipper";
import { Bucket } from "./bucket.ts";
import { HeldServer } from "./held_server.ts";
import { assertStamped, collect, collectUntil, held, memoryTest, stamp, turn } from "./settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const SIZE = 16 * MIB;

/** A buffer of Rust's, stamped. */
function rustBuffer(size = SIZE): RustBuffer {
  const buffer = new RustBuffer(size);
  stamp(buffer.view());
  return buffer;
}

/** What the server got. */
function sent(server: HeldServer, key = "object"): Uint8Array<ArrayBuffer> {
  const body = server.bodies.get(`/bucket/${key}`);
  assert(body, `PUT ${key} arrived`);
  return body;
}

/** Memory that most likely lies where something was just freed. */
function reuse(): void {
  for (let i = 0; i < 4; i++) {
    using other = new RustBuffer(SIZE);
    other.view().fill(0xff);
  }
}

// -- a RustBuffer that is being sent ---------------------------------------------------------------

const ENDS: Record<string, (buffer: RustBuffer) => void> = {
  "disposed": (buffer) => buffer.dispose(),
  "adopted and freed": (buffer) => void buffer.adopt().transfer(0),
  "transferred through its view": (buffer) => void buffer.view().buffer.transfer(0),
  "seen through unsafeView() and disposed": (buffer) => {
    buffer.unsafeView();
    buffer.dispose();
  },
};

for (const [what, end] of Object.entries(ENDS)) {
  memoryTest(`write(buffer) is whole though the buffer is ${what} in flight`, async () => {
    await using server = new HeldServer(0);
    const buffer = rustBuffer();
    const writing = server.file("object").write(buffer);
    await server.arrived(1);
    end(buffer);
    assertEquals(buffer.byteLength, 0);
    assertEquals(held().bytes, SIZE, "the operation keeps the memory");
    reuse();
    server.release();
    assertEquals((await writing).size, SIZE);
    assertStamped(sent(server), SIZE);
    assertEquals(held().bytes, 0);
  });

  memoryTest(`write(buffer) is whole though the buffer is ${what} in the same turn`, async () => {
    await using bucket = await Bucket.start();
    const buffer = rustBuffer(MIB);
    const writing = bucket.file("object").write(buffer);
    end(buffer);
    assertEquals((await writing).size, MIB);
    assertStamped(await bucket.file("object").bytes(), MIB);
  });
}

memoryTest("write(buffer) is whole though nobody else holds the buffer", async () => {
  await using server = new HeldServer(0);
  const write = () => server.file("object").write(rustBuffer());
  const writing = write();
  collect();
  await null;
  collect();
  await server.arrived(1);
  collect();
  await turn();
  reuse();
  server.release();
  await writing;
  assertStamped(sent(server), SIZE);
});

memoryTest("a using block that ends before the write does", async () => {
  await using bucket = await Bucket.start();
  let writing: Promise<unknown>;
  {
    using buffer = rustBuffer(MIB);
    writing = bucket.file("object").write(buffer);
  }
  await writing;
  assertStamped(await bucket.file("object").bytes(), MIB);
});

memoryTest("one buffer in ten writes at once, disposed meanwhile", async () => {
  await using server = new HeldServer(0);
  const buffer = rustBuffer(MIB);
  const writings = Array.from({ length: 10 }, (_, at) => server.file(`object${at}`).write(buffer));
  await server.arrived(10);
  buffer.dispose();
  server.release();
  await Promise.all(writings);
  for (let at = 0; at < 10; at++) assertStamped(sent(server, `object${at}`), MIB);
});

memoryTest("an aborted write lets go of a disposed buffer", async () => {
  await using server = new HeldServer(0);
  const buffer = rustBuffer();
  const controller = new AbortController();
  const writing = server.file("object").write(buffer, { signal: controller.signal });
  await server.arrived(1);
  buffer.dispose();
  assertEquals(held().bytes, SIZE);
  controller.abort(new RangeError("enough"));
  const reason = await writing.then(() => undefined, (reason) => reason);
  assertInstanceOf(reason, RangeError);
  assertEquals(held().operations, 0);
});

memoryTest("an aborted write frees its memory though the server reads no more", async () => {
  await using server = new HeldServer(0);
  const controller = new AbortController();
  const buffer = rustBuffer();
  const writing = server.file("object").write(buffer, { signal: controller.signal });
  await server.arrived(1);
  buffer.dispose();
  controller.abort();
  assertEquals(await writing.catch((reason) => reason), controller.signal.reason);
  assert(await collectUntil(() => held().bytes === 0, 3000), "what was given up is not held");
  server.release();
});

memoryTest("an aborted write does not arrive afterwards", async () => {
  await using server = new HeldServer(0);
  const controller = new AbortController();
  const writing = server.file("object").write(rustBuffer(), { signal: controller.signal });
  await server.arrived(1);
  controller.abort();
  await writing.catch(() => {});
  server.release();
  await turn(500);
  assertEquals(server.bodies.size, 0);
});

// -- JavaScript's memory that is being sent --------------------------------------------------------

const SOURCES: Record<string, () => { data: unknown; disturb(): void }> = {
  "a typed array that is transferred": () => {
    const data = stamp(new Uint8Array(MIB));
    return { data, disturb: () => void data.buffer.transfer(0) };
  },
  "a typed array that is overwritten": () => {
    const data = stamp(new Uint8Array(MIB));
    return { data, disturb: () => void data.fill(0xff) };
  },
  "an ArrayBuffer that is transferred": () => {
    const data = stamp(new Uint8Array(MIB)).buffer;
    return { data, disturb: () => void structuredClone(data, { transfer: [data] }) };
  },
  "a part of a buffer that is transferred": () => {
    const whole = new Uint8Array(2 * MIB);
    const data = stamp(whole.subarray(4096, 4096 + MIB));
    return { data, disturb: () => void whole.buffer.transfer(0) };
  },
  "a DataView": () => {
    const { buffer } = stamp(new Uint8Array(MIB));
    return { data: new DataView(buffer), disturb: () => void buffer.transfer(0) };
  },
  "a Float64Array": () => {
    const { buffer } = stamp(new Uint8Array(MIB));
    return { data: new Float64Array(buffer), disturb: () => void buffer.transfer(0) };
  },
  "a resizable buffer that shrinks": () => {
    const buffer = new ArrayBuffer(MIB, { maxByteLength: 2 * MIB });
    const data = stamp(new Uint8Array(buffer));
    return { data, disturb: () => buffer.resize(0) };
  },
  "a resizable buffer that grows": () => {
    const buffer = new ArrayBuffer(MIB, { maxByteLength: 2 * MIB });
    stamp(new Uint8Array(buffer));
    return { data: buffer, disturb: () => buffer.resize(2 * MIB) };
  },
  "shared memory that is overwritten": () => {
    const shared = new SharedArrayBuffer(MIB);
    new Uint32Array(shared).forEach((_, at, words) => words[at] = at);
    const data = new Uint8Array(shared);
    return { data, disturb: () => void data.fill(0xff) };
  },
  "growable shared memory that grows": () => {
    const shared = new SharedArrayBuffer(MIB, { maxByteLength: 2 * MIB });
    new Uint32Array(shared).forEach((_, at, words) => words[at] = at);
    return { data: shared, disturb: () => shared.grow(2 * MIB) };
  },
  "WebAssembly memory that grows": () => {
    const wasm = new WebAssembly.Memory({ initial: MIB / 65536 });
    stamp(new Uint8Array(wasm.buffer as ArrayBuffer));
    return { data: new Uint8Array(wasm.buffer), disturb: () => void wasm.grow(1) };
  },
  "an adopted buffer that is transferred": () => {
    const buffer = rustBuffer(MIB).adopt();
    return { data: new Uint8Array(buffer), disturb: () => void buffer.transfer(0) };
  },
  "a borrowed view whose buffer is disposed": () => {
    const buffer = rustBuffer(MIB);
    return { data: buffer.view(), disturb: () => buffer.dispose() };
  },
  "a Blob whose source is transferred": () => {
    const bytes = stamp(new Uint8Array(MIB));
    return { data: new Blob([bytes]), disturb: () => void bytes.buffer.transfer(0) };
  },
};

for (const [what, make] of Object.entries(SOURCES)) {
  memoryTest(`write() of ${what} right after the call is whole`, async () => {
    await using bucket = await Bucket.start();
    const file = bucket.file("object");
    const { data, disturb } = make();
    const writing = file.write(data as Parameters<S3File["write"]>[0]);
    disturb();
    assertEquals((await writing).size, MIB);
    assertStamped(await file.bytes(), MIB);
  });
}

memoryTest("write() of a stream whose producer uses one chunk again and again", async () => {
  await using bucket = await Bucket.start();
  const file = bucket.file("object");
  async function* chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const chunk = new Uint8Array(1024);
    for (let at = 0; at < 64; at++) {
      yield chunk.fill(at);
      await turn();
    }
    chunk.buffer.transfer(0);
  }
  await file.write(chunks());
  const bytes = await file.bytes();
  assertEquals(bytes.length, 64 * 1024);
  assert(bytes.every((byte, at) => byte === at >> 10));
});

memoryTest("a detached source is refused before anything is sent", async () => {
  await using bucket = await Bucket.start();
  const data = new Uint8Array(8);
  data.buffer.transfer(0);
  for (const source of [data, data.buffer, new Float64Array(8)]) {
    if (source instanceof Float64Array) source.buffer.transfer(0);
    const error = await bucket.file("object").write(source).then(() => undefined, (error) => error);
    assertInstanceOf(error, DipperError);
    assertEquals([error.name, error.code], ["InvalidInputError", "InvalidInput"]);
  }
  assertEquals(await bucket.file("object").exists(), false);
});

// -- reads -----------------------------------------------------------------------------------------

memoryTest("other buffers come and go while reads are under way", async () => {
  await using server = new HeldServer(SIZE);
  const file = server.file("object");
  const target = new Uint8Array(SIZE);
  const reading = Promise.all([file.bytes(), file.buffer(), file.arrayBuffer(), file.into(target)]);
  await server.arrived(4);
  assertEquals(held().operations, 4);
  for (let i = 0; i < 100; i++) {
    const buffer = new RustBuffer(MIB);
    buffer.view().fill(0xff);
    if (i % 2 === 0) buffer.dispose();
    if (i % 10 === 0) collect();
  }
  server.release();
  const [bytes, buffer, memory, filled] = await reading;
  for (const got of [bytes, buffer.view(), new Uint8Array(memory), filled]) {
    assertEquals(got.length, SIZE);
    assert(got.subarray(0, SIZE / 2).every((byte) => byte === 1));
    assert(got.subarray(SIZE / 2).every((byte) => byte === 2));
  }
  buffer.dispose();
});

memoryTest("a client that is disposed during reads ends them and frees their memory", async () => {
  await using server = new HeldServer(SIZE);
  const file = server.file("object");
  const target = new Uint8Array(SIZE);
  const reading = [file.bytes(), file.buffer(), file.text(), file.into(target)];
  await server.arrived(4);
  assert(held().bytes >= 3 * SIZE);
  server.client.dispose();
  for (const outcome of await Promise.allSettled<unknown>(reading)) {
    assert(outcome.status === "rejected");
    assertInstanceOf(outcome.reason, DipperError);
    assertEquals(outcome.reason.code, "ClientGone");
  }
  const error = (await Promise.allSettled(reading)).at(-1) as { reason: DipperError };
  assertEquals(error.reason.target?.length, SIZE);
  assertEquals(held(), { bytes: 0, buffers: 0, adopted: 0, operations: 0 });
});

memoryTest("an abort during reads frees their memory", async () => {
  await using server = new HeldServer(SIZE);
  const file = server.file("object");
  const controller = new AbortController();
  const { signal } = controller;
  const reading = [file.bytes({ signal }), file.buffer({ signal }), file.json({ signal })];
  await server.arrived(3);
  assertEquals(held().operations, 3);
  assert(held().bytes >= 3 * SIZE);
  controller.abort();
  for (const outcome of await Promise.allSettled<unknown>(reading)) {
    assert(outcome.status === "rejected");
    assertEquals(outcome.reason, signal.reason);
  }
  assertEquals(held(), { bytes: 0, buffers: 0, adopted: 0, operations: 0 });
});

memoryTest("a result that is there when the abort comes is freed", async () => {
  await using bucket = await Bucket.start();
  const file = await bucket.object("object", new Uint8Array(MIB));
  for (const method of ["bytes", "buffer", "arrayBuffer", "text"] as const) {
    const controller = new AbortController();
    const reading = file[method]({ signal: controller.signal });
    // Lets it be sent, and then keeps the event loop busy until the native side is done.
    for (let i = 0; i < 50 && held().operations + held().buffers === 0; i++) await null;
    const start = performance.now();
    while (held().operations > 0 && performance.now() - start < 5000);
    assertEquals(held(), { bytes: MIB, buffers: 1, adopted: 0, operations: 0 });
    controller.abort();
    const reason = await reading.then(() => undefined, (reason) => reason);
    assertEquals(reason, controller.signal.reason);
    assertEquals(held().bytes, 0);
  }
});
