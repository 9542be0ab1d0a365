// (The runner starts versitygw for tests that name DIPPER_TEST_VERSITYGW_, as tests/storage/servers.ts does for these.)
// Sequences of operations against a Map as the model, on LocalS3 and versitygw, on both transports:
// first those that are pinned, then random ones. A sequence that fails is shrunk and printed as it is
// to be pinned. DIPPER_TEST_SEED runs one seed, DIPPER_TEST_SEQUENCES says how many there are.

import { assert, assertEquals, fail } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { S3Client } from "dipper";
import { bucketName, onBothServers } from "../storage/servers.ts";
import { PINNED } from "./pinned.ts";
import { run, sequenceOf, type Step } from "./steps.ts";
import { shrunk } from "./shrinking.ts";

const STEPS = 300;
const TRANSPORTS = ["direct", "sdk"] as const;

/** Runs a sequence in a bucket of its own; the bucket is emptied again. Gives the failure. */
async function failure(client: S3Client, steps: readonly Step[]): Promise<unknown> {
  const bucket = bucketName();
  await client.createBucket(bucket);
  try {
    return await run(client, bucket, steps).then(() => undefined, (reason) => reason);
  } finally {
    for await (const entry of client.list({ bucket, key: "" })) {
      if ("key" in entry) await client.file({ bucket, key: entry.key }).delete();
    }
    await client.deleteBucket(bucket);
  }
}

onBothServers("the reference model", (at) => {
  for (const transport of TRANSPORTS) {
    for (const { why, steps } of PINNED) {
      it(`${transport}: ${why}`, async () => {
        using client = at().connect({ transport, partSize: 65_536 });
        const reason = await failure(client, steps);
        if (reason !== undefined) throw reason;
      });
    }

    it(`${transport}: random sequences do what a Map does`, async () => {
      const given = Deno.env.get("DIPPER_TEST_SEED");
      const count = Number(Deno.env.get("DIPPER_TEST_SEQUENCES") ?? 3);
      const seeds = given === undefined
        ? Array.from({ length: count }, () => crypto.getRandomValues(new Uint32Array(1))[0]!)
        : [Number(given)];
      console.log(`seeds ${seeds}, ${STEPS} steps each`);
      using client = at().connect({ transport, partSize: 65_536 });
      await Promise.all(seeds.map(async (seed) => {
        const steps = sequenceOf(seed, STEPS);
        const reason = await failure(client, steps);
        if (reason === undefined) return;
        const short = await shrunk(
          steps,
          async (some) => await failure(client, some) !== undefined,
        );
        const last = await failure(client, short) ?? reason;
        const lines = short.map((step) => `  ${JSON.stringify(step)},`).join("\n");
        const why = last instanceof Error ? last.message : Deno.inspect(last);
        fail(`DIPPER_TEST_SEED=${seed} fails. Shrunk, for pinned.ts:\n${lines}\n${why}`);
      }));
    });
  }
});

describe("the model's own parts", () => {
  it("make the same sequence from the same seed", () => {
    assertEquals(sequenceOf(7, 50), sequenceOf(7, 50));
    const kinds = new Set(sequenceOf(7, 500).map((step) => step.do));
    assertEquals(kinds.size, 11);
  });

  it("shrink a sequence to the steps that fail", async () => {
    const steps = Array.from({ length: 200 }, (_, index) => index);
    let asked = 0;
    const short = await shrunk(steps, (some) => {
      asked++;
      return Promise.resolve(some.includes(31) && some.includes(32) && some.includes(150));
    });
    assertEquals(short, [31, 32, 150]);
    assert(asked < 300);
  });
});
