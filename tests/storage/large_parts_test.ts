// Parts that are larger than what an upload keeps in memory: what is sent of them, what is told, and
// what is left when they are cut off.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { it } from "@std/testing/bdd";
import { memory, type Progress, type S3Client, type WriteOptions } from "dipper";
import { settled } from "../memory/settled.ts";
import { assertSameBytes, pattern } from "./bytes.ts";
import { everyWay } from "./servers.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MIB = 1 << 20;
const PART = 50 * MIB;

everyWay("writing in parts that are larger than the window", (at) => {
  const long = pattern(2 * PART + 12_345, 5);

  async function* pieces(length = long.length): AsyncGenerator<Uint8Array> {
    const step = 3 * MIB + 1;
    for (let start = 0; start < length; start += step) {
      yield await Promise.resolve(long.subarray(start, Math.min(start + step, length)));
    }
  }

  const left = (client: S3Client, uri: string) => client.incompleteUploads(uri).toArray();

  it("sends what came, whether the length is known or not, and tells how far it is", async () => {
    const { client, uri } = at();
    const file = client.file(uri("large"));
    const writes: [name: string, write: (options: WriteOptions) => Promise<unknown>][] = [
      ["pieces", (options) => file.write(pieces(), options)],
      ["memory", (options) => file.write(long, options)],
      ["a writer", (options) => ReadableStream.from(pieces()).pipeTo(file.writer(options))],
    ];
    const checksums = ["crc64nvme", "sha256", "none"] as const;
    for (const [index, [name, write]] of writes.entries()) {
      const seen: Progress[] = [];
      const checksum = checksums[index]!;
      await write({ partSize: PART, checksum, onProgress: (now) => void seen.push(now) });
      assertSameBytes(await file.bytes(), long, name);
      const far = seen.map(({ bytes }) => bytes);
      assertEquals(far, far.toSorted((one, other) => one - other), name);
      assertEquals([far.at(-1), seen.at(-1)?.total], [long.length, long.length], name);
    }
    // What is no longer than a part is one request.
    for (const length of [PART, PART + 1]) {
      const { size, etag } = await file.write(pieces(length), { partSize: PART });
      assertEquals([size, etag?.endsWith('-2"')], [length, length > PART]);
      assertSameBytes(await file.bytes(), long.subarray(0, length));
    }
    await settled();
  });

  it("leaves nothing when it is cancelled or its source fails", async () => {
    const { client, uri } = at();
    const key = uri("cut");
    const file = client.file(key);
    for (const stop of [10 * MIB, PART + 20 * MIB, 2 * PART + 1000]) {
      const controller = new AbortController();
      const reason = new Error("enough");
      const cancelled = async function* () {
        let brought = 0;
        for await (const piece of pieces()) {
          yield piece;
          brought += piece.length;
          if (brought > stop) controller.abort(reason);
        }
      };
      const write = file.write(cancelled(), { partSize: PART, signal: controller.signal });
      assertEquals(await assertRejects(() => write), reason);
      const failing = async function* () {
        yield* pieces(stop);
        throw reason;
      };
      const failed = await assertRejects(() => file.write(failing(), { partSize: PART }));
      assert(failed === reason || (failed as Error).cause === reason, Deno.inspect(failed));
    }
    await settled();
    assertEquals([await file.exists(), await left(client, key)], [false, []]);
  });
});
