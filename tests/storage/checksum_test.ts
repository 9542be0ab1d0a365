/** `checksum`: published values, every scheme, slices, and what ends it early. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createHash } from "node:crypto";
import {
  checksumBytes,
  file,
  InvalidInputError,
  memory,
  NotFoundError,
  type ObjectFile,
  PreconditionFailedError,
  type Progress,
} from "dipper";
import { pattern } from "./bytes.ts";
import { everyWay } from "./servers.ts";
import { settled } from "../memory/settled.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const ALGORITHMS = ["fnv1a64", "crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;

/**
 * The check values of the CRC catalogue (https://reveng.sourceforge.io/crc-catalogue/), the examples
 * of FIPS 180, and FNV-1a's definition.
 */
const PUBLISHED: readonly (readonly [text: string, algorithm: string, sum: string])[] = [
  ["123456789", "crc32", "cbf43926"],
  ["123456789", "crc32c", "e3069283"],
  ["123456789", "crc64nvme", "ae8b14860a799888"],
  ["foobar", "fnv1a64", "85944171f73967e8"],
  ["", "fnv1a64", "cbf29ce484222325"],
  ["", "crc32", "00000000"],
  ["", "crc64nvme", "0000000000000000"],
  ["abc", "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"],
  ["abc", "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  ["", "sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
];

/** CRC-32 of either polynomial, bit by bit. */
function crc32(bytes: Uint8Array, polynomial: number): string {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  }
  return (~crc >>> 0).toString(16).padStart(8, "0");
}

/** What each algorithm makes of bytes, by other means; the CRC of 64 bits has none here. */
function expected(bytes: Uint8Array): Record<string, string> {
  return {
    fnv1a64: checksumBytes(bytes).toString(16).padStart(16, "0"),
    crc32: crc32(bytes, 0xedb88320 | 0),
    crc32c: crc32(bytes, 0x82f63b78 | 0),
    sha1: createHash("sha1").update(bytes).digest("hex"),
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}

async function summed(file: ObjectFile): Promise<Record<string, string>> {
  const sums = await Promise.all(ALGORITHMS.map((algorithm) => file.checksum(algorithm)));
  return Object.fromEntries(ALGORITHMS.map((algorithm, index) => [algorithm, sums[index]!]));
}

everyWay("checksum", (at) => {
  it("reaches the published values", async () => {
    const { client, uri } = at();
    for (const [text, algorithm, sum] of PUBLISHED) {
      const object = client.file(uri(`published-${text}`));
      await object.write(text);
      assertEquals(await object.checksum(algorithm as "crc32"), sum, `${algorithm} of "${text}"`);
    }
  });

  it("sums objects of many parts, and slices of them, without a byte in JavaScript", async () => {
    const { client, uri } = at();
    const bytes = pattern(20_000_003);
    const object = client.file(uri("large"));
    await object.write(bytes);
    const { crc64nvme, ...others } = await summed(object);
    assertEquals(others, expected(bytes));
    assertEquals(crc64nvme!.length, 16);
    const part = bytes.subarray(7, 12_345_678);
    const { crc64nvme: _, ...ofPart } = await summed(object.slice(7, 12_345_678));
    assertEquals(ofPart, expected(part));
    const end = await object.slice(-1000).checksum("sha256");
    assertEquals(end, expected(bytes.subarray(-1000)).sha256);
    assertEquals(await object.slice(5, 5).checksum("crc32"), "00000000");
  });

  it("tells how far it is", async () => {
    const { client, uri } = at();
    const object = client.file(uri("told"));
    await object.write(pattern(5_000_000));
    const told: Progress[] = [];
    await object.checksum("crc32c", { onProgress: (progress) => told.push(progress) });
    assert(told.length > 0);
    assertEquals([told.at(-1)!.bytes, told.at(-1)!.total], [5_000_000, 5_000_000]);
  });

  it("ends with its signal, with the signal's reason", async () => {
    const { client, uri } = at();
    const object = client.file(uri("ended"));
    await object.write(pattern(5_000_000));
    const reason = new Error("enough");
    const early = AbortSignal.abort(reason);
    assertEquals(await object.checksum("sha256", { signal: early }).catch((e) => e), reason);
    const controller = new AbortController();
    const summing = object.checksum("sha256", { signal: controller.signal });
    controller.abort(reason);
    assertEquals(await summing.catch((error) => error), reason);
    await settled();
  });

  it("is of the version that is asked for", async () => {
    const { client, uri } = at();
    const object = client.file(uri("versioned"));
    const { etag } = await object.write("123456789");
    assert(etag);
    assertEquals(await object.checksum("crc32", { ifMatch: etag }), "cbf43926");
    await object.write("another");
    await assertRejects(
      () => object.checksum("crc32", { ifMatch: etag }),
      PreconditionFailedError,
    );
  });

  it("of what is not there is refused as any read", async () => {
    const { client, uri } = at();
    const error = await assertRejects(
      () => client.file(uri("nowhere")).checksum("sha256"),
      NotFoundError,
    );
    assertEquals(error.operation, "checksum");
    assertStringIncludes(error.message, "nowhere");
  });
});

describe("checksum of other schemes", () => {
  it("sums local files and slices of them", async () => {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/data`;
      const bytes = pattern(3_000_001);
      await Deno.writeFile(path, bytes);
      const { crc64nvme: _, ...sums } = await summed(file(path));
      assertEquals(sums, expected(bytes));
      assertEquals(
        await file(path).slice(11, -5).checksum("sha1"),
        expected(bytes.subarray(11, -5)).sha1,
      );
      const told: Progress[] = [];
      await file(path).checksum("fnv1a64", { onProgress: (progress) => told.push(progress) });
      assertEquals(told.at(-1)!.bytes, bytes.length);
      await assertRejects(() => file(`${folder}/none`).checksum("crc32"), NotFoundError);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    await settled();
  });

  it("sums web pages, also those that do not tell their length", async () => {
    const bytes = pattern(2_500_000);
    const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      if (!request.url.endsWith("endless")) return new Response(bytes);
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      (async () => {
        const writer = writable.getWriter();
        for (let from = 0; from < bytes.length; from += 300_000) {
          await writer.write(bytes.subarray(from, from + 300_000));
        }
        await writer.close();
      })().catch(() => {});
      return new Response(readable);
    });
    try {
      const { port } = server.addr;
      for (const path of ["measured", "endless"]) {
        const page = file(`http://127.0.0.1:${port}/${path}`);
        assertEquals(await page.checksum("sha256"), expected(bytes).sha256, path);
        assertEquals(await page.checksum("fnv1a64"), expected(bytes).fnv1a64, path);
      }
    } finally {
      await server.shutdown();
    }
    await settled();
  });

  for (
    const algorithm of ["md5", "SHA256", "", "constructor", "x".repeat(500), 5, null, undefined]
  ) {
    it(`names what can be asked for instead of ${String(algorithm).slice(0, 20)}`, async () => {
      const error = await assertRejects(
        () => file("/nowhere").checksum(algorithm as never),
        InvalidInputError,
      );
      for (const known of ALGORITHMS) assertStringIncludes(error.message, known);
      assert(error.message.length < 300);
    });
  }
});
