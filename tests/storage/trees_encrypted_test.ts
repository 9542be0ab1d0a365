/** `download`, `upload` and `sync` of objects that are encrypted with a key of one's own (SSE-C). */

import { InvalidInputError, LocalS3, memory, type S3Client, TransferError } from "dipper";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { inDirectory, treeOf, write } from "./trees.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

for (const transport of ["direct", "sdk"] as const) {
  describe(`trees under a key of one's own, ${transport}`, () => {
    const customerKey = crypto.getRandomValues(new Uint8Array(32));
    const another = crypto.getRandomValues(new Uint8Array(32));
    const large = "0123456789abcdef".repeat(1_500_001);
    const files = { "a": "1", "b/c": "22", "large": large };
    let server: LocalS3;
    let client: S3Client;
    beforeAll(async () => {
      server = await LocalS3.start();
      client = server.client({ transport });
      await client.createBucket("bucket");
    });
    afterAll(async () => {
      client.dispose();
      await server.stop();
    });

    const text = (key: string, customerKey: Uint8Array) =>
      client.file({ bucket: "bucket", key }, { customerKey }).text();
    const isRefused = (call: () => Promise<unknown>) => assertRejects(call, TransferError);
    const counts = async (report: ReturnType<S3Client["sync"]>) => {
      const { transferred, skipped } = await report;
      return [transferred, skipped];
    };

    it("go up and come down with it, and not without", () =>
      inDirectory(async (path) => {
        await write(`${path}/up`, files);
        const encryption = { customerKey };
        const up = `${path}/up`;
        assertEquals(await counts(client.upload(up, "s3://bucket/enc", { encryption })), [3, 0]);
        assertEquals(await text("enc/b/c", customerKey), "22");
        assertEquals(await text("enc/large", customerKey), large);
        await assertRejects(() => client.file("s3://bucket/enc/a").text());

        const down = `${path}/down`;
        await isRefused(() => client.download("s3://bucket/enc", down));
        await isRefused(() => client.download("s3://bucket/enc", down, { customerKey: another }));
        assertEquals(await treeOf(down), {});
        const options = { customerKey: customerKey.toBase64() };
        assertEquals(await counts(client.download("s3://bucket/enc", down, options)), [3, 0]);
        assertEquals(await treeOf(down), { ...files, "b": null });
        // By a handle, which has its own key.
        const handle = client.file("s3://bucket/enc", { customerKey });
        assertEquals(await counts(client.sync(handle, `${path}/by-handle`)), [3, 0]);
        assertEquals(await treeOf(`${path}/by-handle`), { ...files, "b": null });
      }));

    it("are compared by checksums with it", () =>
      inDirectory(async (path) => {
        await write(path, files);
        const encryption = { customerKey };
        const compare = "checksum";
        await client.upload(path, "s3://bucket/sum", { encryption });
        const options = { customerKey, compare } as const;
        assertEquals(await counts(client.download("s3://bucket/sum", path, options)), [0, 3]);
        assertEquals(
          await counts(client.upload(path, "s3://bucket/sum", { encryption, compare })),
          [0, 3],
        );
        const handle = client.file("s3://bucket/sum/", { customerKey });
        assertEquals(await counts(client.upload(path, handle, { compare })), [0, 3]);
        await Deno.writeTextFile(`${path}/b/c`, "xx");
        assertEquals(await counts(client.upload(path, handle, { compare })), [1, 2]);
        assertEquals(await text("sum/b/c", customerKey), "xx");
        // The object cannot be looked at without the key: that is told, and nothing is overwritten.
        await isRefused(() => client.upload(path, "s3://bucket/sum", { compare }));
        assertEquals(await text("sum/a", customerKey), "1");
      }));

    it("are copied from key to key, by the server and between clients", () =>
      inDirectory(async (path) => {
        await write(path, files);
        const from = "s3://bucket/keyed/";
        await client.upload(path, from, { encryption: { customerKey } });
        await isRefused(() => client.sync(from, "s3://bucket/plain"));
        assertEquals(await counts(client.sync(from, "s3://bucket/plain", { customerKey })), [3, 0]);
        assertEquals(await client.file("s3://bucket/plain/large").text(), large);
        const changed = { customerKey, encryption: { customerKey: another } };
        assertEquals(await counts(client.sync(from, "s3://bucket/changed", changed)), [3, 0]);
        assertEquals(await text("changed/large", another), large);
        using second = server.client({ transport });
        const [source, target] = [
          client.file("s3://bucket/keyed", { customerKey }),
          second.file("s3://bucket/streamed", { customerKey: another }),
        ];
        assertEquals(await counts(client.sync(source, target)), [3, 0]);
        assertEquals(await text("streamed/large", another), large);
      }));

    it("are refused with what is no key, and with a key that nothing uses", () =>
      inDirectory(async (path) => {
        const refused = (call: () => Promise<unknown>, what: string) =>
          assertRejects(call, InvalidInputError, what);
        const odd = { customerKey: "short" };
        await refused(() => client.download("s3://bucket/x", path, odd), "32 bytes");
        await refused(() => client.sync("s3://bucket/x", "s3://bucket/y", odd), "32 bytes");
        await refused(() => client.upload(path, "s3://bucket/x", { customerKey }), "encryption");
        await refused(() => client.sync(path, "s3://bucket/x", { customerKey }), "encryption");
        const error = await client.download("s3://bucket/x", path, odd).catch((error) => error);
        assert(!Deno.inspect(error).includes("short"), "a key is not shown");
      }));
  });
}
