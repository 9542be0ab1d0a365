// Checksums that a server tells: what they are of is checked while it is downloaded, a flipped bit is
// found, and the metrics say what was verified. On both transports.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  IntegrityError,
  memory,
  metricsOf,
  type Progress,
  type S3Client,
  type S3ClientOptions,
} from "dipper";
import { settled } from "../memory/settled.ts";
import { assertSameBytes } from "../storage/bytes.ts";
import { within } from "../storage/scripted_server.ts";
import { contentOf } from "./content.ts";
import { type ChecksumSpec, control, FaultBucket, type ObjectSpec } from "./fault_server.ts";
import { PART, type Transport, TRANSPORTS } from "./operations.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 10_000;
const OBJECT = { size: 5 * PART + 123, seed: 99 };
const data = contentOf(OBJECT);
/** Not the size of the parts that are downloaded: the checksums of the two must not be mixed up. */
const UPLOADED = 2 * PART + 1000;

interface Told {
  name: string;
  checksums: ChecksumSpec[];
  partSize?: number;
  /** What is verified without being asked for, and what with `checksums: "full"`. */
  auto: string;
  full: string;
}

const TOLD: Told[] = [
  ...(["crc64nvme", "crc32", "crc32c"] as const).map((algorithm) => ({
    name: algorithm,
    checksums: [{ algorithm }],
    auto: algorithm,
    full: algorithm,
  })),
  {
    name: "sha256",
    checksums: [{ algorithm: "sha256" }],
    // It does not combine over parts that come in any order.
    auto: "none",
    full: "sha256",
  },
  {
    name: "composite crc32c",
    checksums: [{ algorithm: "crc32c", composite: UPLOADED }],
    partSize: UPLOADED,
    auto: "crc32c",
    full: "crc32c",
  },
  {
    name: "composite crc32, its parts' size unknown",
    checksums: [{ algorithm: "crc32", composite: UPLOADED }],
    auto: "none",
    full: "none",
  },
  { name: "nothing", checksums: [], auto: "none", full: "none" },
];

type Read = (client: S3Client, uri: string) => Promise<{ bytes: Uint8Array; verified: unknown }>;

const READS: Record<string, Read> = {
  async bytes(client, uri) {
    const bytes = await client.file(uri).bytes();
    return { bytes, verified: metricsOf(bytes)?.verified };
  },
  async stream(client, uri) {
    const stream = client.file(uri).stream();
    const bytes = await new Response(stream).bytes();
    return { bytes, verified: metricsOf(stream)?.verified };
  },
  async getMany(client, uri) {
    // Many reads have their metrics in common: the last report's.
    let verified: unknown;
    const onProgress = ({ metrics }: Progress): void => void (verified = metrics.verified);
    const [result] = await Array.fromAsync(client.getMany([uri], { onProgress }));
    if (result === undefined) throw new Error("nothing came");
    if ("error" in result) throw result.error;
    return { bytes: result.bytes, verified };
  },
};

/** Reads what is sound and what is not. In a function of its own: no result stays on the stack. */
async function verifies(
  read: string,
  run: Read,
  object: ObjectSpec,
  options: S3ClientOptions,
  verified: string,
  mayVerify: boolean,
): Promise<void> {
  {
    await using sound = await FaultBucket.make({ objects: { key: object } });
    using client = sound.client(options);
    const got = await within(DEADLINE, run(client, sound.uri("key")));
    assertSameBytes(got.bytes, data, read);
    assertEquals(got.verified, verified, read);
  }
  const at = 3 * PART + 7;
  await using spoiled = await FaultBucket.make({
    objects: { key: object },
    faults: [{ at, times: null, what: { kind: "flip" } }],
  });
  using client = spoiled.client(options);
  const reading = within(DEADLINE, run(client, spoiled.uri("key")));
  if (verified === "none") {
    const flipped = data.slice();
    flipped[at]! ^= 1;
    const got = await reading.catch((error) => {
      if (mayVerify && error instanceof IntegrityError) return undefined;
      throw error;
    });
    if (got !== undefined) assertSameBytes(got.bytes, flipped, read);
  } else {
    const error = await assertRejects(() => reading, IntegrityError, "", read);
    assertEquals([error.code, error.retryable], ["ChecksumMismatch", true], read);
  }
}

for (const transport of TRANSPORTS) {
  describe(`checksums, ${transport}`, { ignore: control === undefined }, () => {
    const options = (mode: "auto" | "full" | "off"): S3ClientOptions => ({
      transport: transport as Transport,
      partSize: PART,
      connections: 4,
      checksums: mode,
      retries: 1,
    });

    for (const { name, checksums, partSize, auto, full } of TOLD) {
      for (const mode of ["auto", "full", "off"] as const) {
        const verified = mode === "off" ? "none" : mode === "auto" ? auto : full;
        it(`${name} is ${verified === "none" ? "not " : ""}verified with "${mode}"`, async () => {
          await settled("an earlier test left nothing");
          const object = { ...OBJECT, checksums, ...(partSize === undefined ? {} : { partSize }) };
          for (const [read, run] of Object.entries(READS)) {
            // The SDK verifies on its own what it reads undivided, unless it is told not to.
            const mayVerify = transport === "sdk" && mode === "auto" && checksums.length > 0;
            await verifies(read, run, object, options(mode), verified, mayVerify);
          }
          await settled();
        });
      }
    }

    it("that are no checksums are not believed, and not taken for a difference", async () => {
      for (const value of ["", "???", "AAAA", "A".repeat(1000), "AAAAAAAAAAA=-7", "\xff"]) {
        await using bucket = await FaultBucket.make({
          objects: { key: { ...OBJECT, checksums: [{ algorithm: "crc64nvme", value }] } },
        });
        using client = bucket.client(options("auto"));
        const read = within(DEADLINE, READS["bytes"]!(client, bucket.uri("key")));
        const { bytes, verified } = await read.catch((error) => {
          assert(error instanceof IntegrityError, Deno.inspect(error));
          return { bytes: data, verified: "none" };
        });
        assertSameBytes(bytes, data);
        assertEquals(verified, "none", value);
      }
    });

    it("of an empty object fit", async () => {
      await using bucket = await FaultBucket.make({
        objects: { key: { size: 0, seed: 1, checksums: [{ algorithm: "crc64nvme" }] } },
      });
      using client = bucket.client(options("auto"));
      for (const run of Object.values(READS)) {
        assertEquals((await within(DEADLINE, run(client, bucket.uri("key")))).bytes.length, 0);
      }
    });
  });
}
