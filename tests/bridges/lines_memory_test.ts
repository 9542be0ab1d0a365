/** Lines: what is held while they are read, and that all of it is let go of, wherever a loop ends. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createServer, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { AddressInfo } from "node:net";
import { InvalidInputError, lines, type LinesOptions, S3Client } from "dipper";
import { Bucket } from "../memory/bucket.ts";
import { programAt, runProgram } from "../memory/program.ts";
import { collectUntil, held, memoryTest, turn } from "../memory/settled.ts";
import { FORMS, gathered, pseudoRandom, withFile } from "./line_files.ts";

const MIB = 1 << 20;
const decoder = new TextDecoder();
const text = Array.from({ length: 60_000 }, (_, at) => `${at}`.padStart(60, ".")).join("\n");

memoryTest("a loop over lines may end at every position, and nothing is held", async () => {
  await using bucket = await Bucket.start();
  const object = bucket.file("log");
  await object.write(text);
  const positions = [0, 1, 2, 17, 17_000, 17_500, 35_000, 59_998, 59_999];
  await withFile(text, async (path) => {
    for (const options of FORMS.filter(({ batch }) => batch !== true)) {
      for (const end of positions) {
        for (const source of [lines(path, options), object.lines(options)]) {
          let count = 0;
          for await (const _ of source as AsyncIterable<unknown>) {
            if (count++ === end) break;
          }
          assertEquals(count, Math.min(end + 1, 60_000));
        }
        // Without the collector: leaving the loop has waited for what was read ahead.
        assertEquals(held().operations, 0);
      }
    }
  });
});

memoryTest("a loop that throws lets go as one that breaks does", async () => {
  await withFile(text, async (path) => {
    await assertRejects(
      async () => {
        for await (const _ of lines(path)) throw new Error("mine");
      },
      Error,
      "mine",
    );
    assertEquals(held().operations, 0);
  });
});

memoryTest("memory that is transferred amid a batch is an error, and nothing is held", async () => {
  await withFile(text, async (path) => {
    const loop = lines(path, { as: "bytes" })[Symbol.asyncIterator]();
    const first = await loop.next();
    structuredClone(first.value, { transfer: [first.value!.buffer] });
    const error = await assertRejects(() => loop.next(), InvalidInputError, "transferred");
    assertEquals(error.operation, "lines");
    assertEquals(held().operations, 0);
    assertEquals(await loop.next(), { value: undefined, done: true });
  });
});

memoryTest("a forgotten iterator lets go of its source", async () => {
  await withFile(text, async (path) => {
    await lines(path)[Symbol.asyncIterator]().next();
    assert(await collectUntil(() => held().operations === 0));
  });
});

memoryTest(
  "many calls at once get the lines in order, and those behind the end nothing",
  async () => {
    await withFile("a\nb\nc\n", async (path) => {
      const iterator = lines(path)[Symbol.asyncIterator]();
      const found = await Promise.all(Array.from({ length: 5 }, () => iterator.next()));
      assertEquals(found.map(({ value, done }) => done ? undefined : value), [
        "a",
        "b",
        "c",
        undefined,
        undefined,
      ]);
      const cut = lines(path)[Symbol.asyncIterator]();
      const pending = cut.next();
      assertEquals(await cut.return!("x"), { value: "x", done: true });
      const { done, value } = await pending;
      assert(done || value === "a");
      assertEquals(await cut.next(), { value: undefined, done: true });
    });
  },
);

memoryTest("a signal ends a loop between two lines of one batch", async () => {
  await withFile(text, async (path) => {
    for (const options of [{}, { as: "bytes" }] as const) {
      const ending = new AbortController();
      const reason = new Error("enough");
      let count = 0;
      const error = await assertRejects(async () => {
        for await (const _ of lines(path, { ...options, signal: ending.signal })) {
          if (++count === 5) ending.abort(reason);
        }
      });
      assert(error === reason);
      assertEquals(count, 5);
      assertEquals(held().operations, 0);
    }
  });
});

memoryTest("two consumers at once read all of it, each", async () => {
  await withFile(text, async (path) => {
    const one = lines(path);
    const [first, second, third] = await Promise.all([
      Array.fromAsync(one),
      Array.fromAsync(one),
      gathered(path, { as: "bytes", batch: true }),
    ]);
    for (const found of [first!, second!, third!]) assert(found.join("\n") === text);
  });
});

memoryTest("a consumer that is slower than the source holds the source back", async () => {
  // A server that would send 256 MiB as fast as it can.
  const line = new TextEncoder().encode("x".repeat(1023) + "\n");
  const piece = new Uint8Array(256 * 1024);
  for (let at = 0; at < piece.length; at += 1024) piece.set(line, at);
  let sent = 0;
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    const send = (): void => {
      while (sent < 256 * MIB) {
        sent += piece.length;
        if (!socket.write(piece)) return void socket.once("drain", send);
      }
      socket.end();
    };
    send();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const uri = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    for (const options of FORMS as LinesOptions[]) {
      sent = 0;
      const iterator = lines(uri, options)[Symbol.asyncIterator]();
      await iterator.next();
      let before = -1;
      // Until nothing moves any more: sockets, the window, and two batches are full.
      for (let still = 0; still < 10;) {
        await turn(50);
        still = sent === before ? still + 1 : 0;
        before = sent;
      }
      assert(sent < 64 * MIB, `${sent / MIB} MiB were sent to who reads nothing`);
      await iterator.return!();
    }
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** So many bytes are held over what is held when idle, at most, while a file is read in one form. */
async function heldFor(
  path: string,
  form: string,
  expected: number,
  options: LinesOptions = {},
): Promise<number> {
  const { code, stdout, stderr } = await runProgram(programAt("lines_through.ts"), {
    args: [path, form, JSON.stringify(options)],
    patience: 240_000,
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const { count, idle, peak } = JSON.parse(stdout);
  assertEquals(count, expected);
  return peak - idle;
}

/**
 * Fails when reading a file in one form holds so many bytes over what is held when idle. The least of
 * three tries counts: a busy machine lets V8's collector wait.
 */
async function staysWithin(
  most: number,
  path: string,
  form: string,
  expected: number,
  options: LinesOptions = {},
): Promise<void> {
  let held = Infinity;
  for (let tries = 0; tries < 3 && held >= most; tries++) {
    held = Math.min(held, await heldFor(path, form, expected, options));
  }
  assert(held < most, `${form}: ${held / MIB} MiB over idle`);
}

memoryTest("half a GiB of lines stays within 96 MiB, in every form", async () => {
  const path = await Deno.makeTempFile();
  try {
    const block = new TextEncoder().encode(("x".repeat(99) + "\n").repeat(10_486));
    using output = await Deno.open(path, { write: true });
    for (let round = 0; round < 512; round++) await output.write(block);
    for (const form of ["text", "strings", "bytes", "lines"]) {
      await staysWithin(96 * MIB, path, form, 512 * 10_486);
    }
  } finally {
    await Deno.remove(path);
  }
});

memoryTest("a GiB of lines or of byte batches stays bounded each of many times", async () => {
  const path = await Deno.makeTempFile();
  try {
    const block = new TextEncoder().encode(("x".repeat(99) + "\n").repeat(10_486));
    using output = await Deno.open(path, { write: true });
    for (let round = 0; round < 1024; round++) await output.write(block);
    // V8 begins to look through its heap at any time, and then its young collector rests.
    for (let round = 0; round < 8; round++) {
      const held = await heldFor(path, "bytes", 1024 * 10_486);
      assert(held < 96 * MIB, `round ${round}: ${held / MIB} MiB over idle`);
    }
    for (const form of ["text", "strings"]) {
      const held = await heldFor(path, form, 1024 * 10_486);
      assert(held < 80 * MIB, `${form}: ${held / MIB} MiB over idle`);
    }
  } finally {
    await Deno.remove(path);
  }
});

memoryTest("a hundred loops at once hold little more than what each was given", async () => {
  await withFile(("x".repeat(99) + "\n").repeat(160_000), async (path) => {
    const loops = Array.from(
      { length: 100 },
      () => lines(path, { as: "bytes", batch: true })[Symbol.asyncIterator](),
    );
    await Promise.all(loops.map((loop) => loop.next()));
    // What nobody asked for yet is cut now, if there is room.
    let before = -1;
    for (let still = 0; still < 5;) {
      await turn(50);
      still = held().bytes === before ? still + 1 : 0;
      before = held().bytes;
    }
    assert(before < 320 * MIB, `${before / MIB} MiB`);
    await Promise.all(loops.map((loop) => loop.return!()));
  });
});

memoryTest("idle loops over objects leave the memory of a small budget to others", async () => {
  await using bucket = await Bucket.start();
  const plain = Array.from({ length: 40_000 }, (_, at) => `${at}`.padStart(99, ".")).join("\n");
  const random = pseudoRandom(7);
  const noise = Uint8Array.from({ length: 3 * MIB }, (_, at) => {
    return at % 80 ? 32 + Math.floor(random.next().value * 95) : 10;
  });
  await bucket.file("plain").write(plain);
  await bucket.file("packed.gz").write(gzipSync(noise));
  await bucket.file("short").write(plain.slice(0, 300 * 1024));
  using client = new S3Client({ ...bucket.options, memoryBudget: 24 * MIB });
  const patience = AbortSignal.timeout(60_000);
  for (const [key, count] of [["plain", 40], ["packed.gz", 30], ["short", 200]] as const) {
    const object = client.file({ bucket: "bucket", key });
    const options = { as: "bytes", batch: true, signal: patience } as const;
    const expected = await gathered(bucket.file(key), { as: "bytes" });
    const loops = Array.from(
      { length: count },
      () => object.lines(options)[Symbol.asyncIterator](),
    );
    const found = loops.map(() => 0);
    const take = async (at: number) => {
      const { value, done } = await loops[at]!.next();
      if (done) return false;
      for (let line = 0; line + 1 < value.offsets.length; line++) {
        const bytes = value.bytes.subarray(value.offsets[line], value.offsets[line + 1]);
        if (decoder.decode(bytes) !== expected[found[at]! + line]) {
          throw new Error(`${key}: loop ${at} has another line ${found[at]! + line}`);
        }
      }
      found[at]! += value.offsets.length - 1;
      return true;
    };
    // Each has begun, and waits for who goes on with it.
    for (let at = 0; at < count; at++) await take(at);
    const { length } = await gathered(object, { as: "bytes", signal: patience });
    assertEquals(length, expected.length, key);
    // Some to their end, others not.
    for (let at = 0; at < count; at += 4) {
      while (await take(at));
      assertEquals(found[at], expected.length, `${key}: loop ${at}`);
    }
    await Promise.all(loops.map((_, at) => take(at)));
    await Promise.all(loops.map((loop) => loop.return!()));
    assertEquals(held().operations, 0);
  }
});

memoryTest("what unpacks to a GiB of short lines is bounded, in every form", async () => {
  const member = gzipSync(new Uint8Array(16 * MIB).fill(120).map((x, at) => at % 64 ? x : 10));
  const path = await Deno.makeTempFile({ suffix: ".gz" });
  try {
    using output = await Deno.open(path, { write: true });
    for (let round = 0; round < 64; round++) await output.write(member);
    for (const form of ["text", "strings", "bytes", "lines"]) {
      // V8 lets more of short strings pile up.
      const most = form === "bytes" ? 96 * MIB : 192 * MIB;
      await staysWithin(most, path, form, 16 * MIB + 1);
    }
  } finally {
    await Deno.remove(path);
  }
});

memoryTest("lines of 64 MiB hold a few of them, however many there are", async () => {
  const line = new Uint8Array(64 * MIB).fill(120);
  const path = await Deno.makeTempFile();
  try {
    using output = await Deno.open(path, { write: true });
    for (let round = 0; round < 12; round++) {
      for (let rest = line; rest.length > 0;) rest = rest.subarray(await output.write(rest));
      await output.write(new Uint8Array([10]));
    }
    for (const form of ["text", "bytes", "lines"]) {
      await staysWithin(8 * 64 * MIB, path, form, 12, { maxLineLength: 64 * MIB });
    }
  } finally {
    await Deno.remove(path);
  }
});
