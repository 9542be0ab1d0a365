// Copies that were made and whose answer was lost: what stands in the way of the second try is what
// the first one made. Told as done where that is certain, and never where it is not.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory, PreconditionFailedError, type S3Client } from "dipper";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import { contentOf } from "./content.ts";
import { control, type Fault, FaultBucket } from "./fault_server.ts";
import { TRANSPORTS } from "./operations.ts";
import { LARGE, leftOpen, PART } from "./uploads.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 60_000;
const SOURCE = { size: 100_001, seed: 31 };
const OTHER = { size: 100_001, seed: 32 };
const LOST: Fault = { on: "copy", when: "done", what: { kind: "reset" } };
const LOST_COMPLETION: Fault = { on: "complete", when: "done", what: { kind: "reset" } };

function clientOf(bucket: FaultBucket, transport: (typeof TRANSPORTS)[number]): S3Client {
  return bucket.client({ transport, stallTimeout: 2000, retries: 3 });
}

/** The ETag of an object, as a condition names it. */
async function etagOf(client: S3Client, uri: `s3://${string}`): Promise<string> {
  return (await client.file(uri).stat()).etag!;
}

for (const transport of TRANSPORTS) {
  describe(`a copy whose answer is lost, ${transport}`, { ignore: control === undefined }, () => {
    for (const opaque of [false, true]) {
      const name = opaque ? "ETags that tell nothing" : "ETags that are digests";
      for (
        const [known, checksums] of [
          ["a checksum", [{ algorithm: "crc64nvme" as const }]],
          ["no checksum", []],
        ] as const
      ) {
        it(`is recognised under ifNoneMatch, with ${name} and ${known}`, async () => {
          await using bucket = await FaultBucket.make({
            objects: { source: { ...SOURCE, checksums: [...checksums] } },
            expected: { target: SOURCE },
            opaque,
            faults: [LOST],
          });
          using client = clientOf(bucket, transport);
          const copying = client.file(bucket.uri("source")).copyTo(bucket.uri("target"), {
            ifNoneMatch: "*",
          });
          const stat = await within(DEADLINE, copying);
          assertEquals(stat.size, SOURCE.size);
          const { fired, written, kinds } = await bucket.report();
          assertEquals([fired, kinds.copy], [[1], 2]);
          assertEquals(written["target"]?.asExpected, true);
        });
      }
    }

    it("is recognised under ifMatch", async () => {
      await using bucket = await FaultBucket.make({
        objects: { source: SOURCE, target: OTHER },
        expected: { target: SOURCE },
        faults: [LOST],
      });
      using client = clientOf(bucket, transport);
      const ifMatch = await etagOf(client, bucket.uri("target"));
      await within(
        DEADLINE,
        client.file(bucket.uri("source")).copyTo(bucket.uri("target"), { ifMatch }),
      );
      const { fired, written } = await bucket.report();
      assertEquals([fired, written["target"]?.asExpected], [[1], true]);
    });

    it("onto itself is recognised by its checksum and by what it says of itself", async () => {
      await using bucket = await FaultBucket.make({
        objects: { source: { ...SOURCE, checksums: [{ algorithm: "crc64nvme" }] } },
        expected: { source: SOURCE },
        faults: [LOST],
      });
      using client = clientOf(bucket, transport);
      const file = client.file(bucket.uri("source"));
      // The copy has another ETag than the source, which the second try asks for.
      const stat = await within(DEADLINE, file.copyTo(file, { metadata: { by: "me" } }));
      assertEquals(stat.metadata, { by: "me" });
      assertEquals((await bucket.report()).fired, [1]);
    });

    it("is a move whose source is deleted then", async () => {
      await using bucket = await FaultBucket.make({
        objects: { source: SOURCE },
        expected: { target: SOURCE },
        faults: [LOST],
      });
      using client = clientOf(bucket, transport);
      const moving = client.file(bucket.uri("source")).moveTo(bucket.uri("target"), {
        ifNoneMatch: "*",
      });
      await within(DEADLINE, moving);
      const { written, deleted } = await bucket.report();
      assertEquals([written["target"]?.asExpected, deleted], [true, ["source"]]);
    });

    it("is not what somebody else wrote meanwhile", async () => {
      for (const content of [OTHER, { ...SOURCE, size: SOURCE.size + 1 }]) {
        await using bucket = await FaultBucket.make({
          objects: { source: SOURCE },
          faults: [{ on: "copy", when: "before", times: 3, what: { kind: "silent", ms: 400 } }],
        });
        using client = bucket.client({ transport, stallTimeout: 300, retries: 8 });
        const copying = client.file(bucket.uri("source")).copyTo(bucket.uri("target"), {
          ifNoneMatch: "*",
        });
        copying.catch(() => {});
        while ((await bucket.report()).kinds.copy === undefined) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        // The same size, other bytes: as a lock file of somebody else has them.
        await client.file(bucket.uri("target")).write(contentOf(content));
        await assertRejects(() => within(DEADLINE, copying), PreconditionFailedError);
        assertEquals((await bucket.report()).written["target"]?.parts, 0);
      }
    });
  });

  describe(`a completion that is lost, ${transport}`, { ignore: control === undefined }, () => {
    for (const opaque of [false, true]) {
      const name = opaque ? "ETags that tell nothing" : "ETags that are digests";
      it(`of a copy in parts is recognised, with ${name}`, async () => {
        await settled("an earlier test left nothing");
        for (const options of [{}, { ifNoneMatch: "*" }]) {
          await using bucket = await FaultBucket.make({
            objects: { source: LARGE },
            expected: { target: LARGE },
            opaque,
            faults: [LOST_COMPLETION],
          });
          using client = clientOf(bucket, transport);
          const stat = await within(
            DEADLINE,
            client.file(bucket.uri("source")).copyTo(bucket.uri("target"), {
              partSize: PART,
              tags: {},
              ...options,
            }),
          );
          assertEquals(stat.size, LARGE.size);
          const { fired, written, uploads } = await bucket.report();
          assertEquals([fired, uploads], [[1], []]);
          assertEquals(written["target"]?.asExpected, true);
        }
      });

      it(`of a write without checksum is recognised, with ${name}`, async () => {
        await using bucket = await FaultBucket.make({
          expected: { target: LARGE },
          opaque,
          faults: [LOST_COMPLETION],
        });
        using client = clientOf(bucket, transport);
        const options = { partSize: PART, checksum: "none" } as const;
        await within(
          DEADLINE,
          client.file(bucket.uri("target")).write(contentOf(LARGE), options),
        );
        assertEquals((await bucket.report()).written["target"]?.asExpected, true);
      });
    }

    it("is not the object that stood there before", async () => {
      await using bucket = await FaultBucket.make({
        objects: { source: LARGE },
        opaque: true,
        faults: [{
          on: "complete",
          when: "before",
          times: null,
          what: { kind: "status", status: 404, code: "NoSuchUpload" },
        }],
      });
      using client = clientOf(bucket, transport);
      // As long as the copy, and other bytes.
      await client.file(bucket.uri("target")).write(contentOf({ ...LARGE, seed: 77 }));
      const before = await etagOf(client, bucket.uri("target"));
      const copying = client.file(bucket.uri("source")).copyTo(bucket.uri("target"), {
        partSize: PART,
        tags: {},
      });
      const error = await assertRejects(() => within(DEADLINE, copying));
      assert(error instanceof Error);
      assertEquals(await etagOf(client, bucket.uri("target")), before);
      assertEquals(await leftOpen(bucket), []);
    });
  });
}
