// The fault matrix of what manages objects: copies in one request and in parts, moves, deletes of
// many, listings of versions and of uploads. Every fault, at every request, once and for ever. Each
// case ends with what was asked for, or with one typed error that leaves the source as it was, no
// upload open and nothing held.

import { assert, assertEquals, assertInstanceOf, fail } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { DipperError, memory, type S3Client, TransferError } from "dipper";
import { held, settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import {
  control,
  FAILED_200,
  type Fault,
  FaultBucket,
  type Kind,
  SLOW_DOWN,
  type What,
} from "./fault_server.ts";
import { TRANSPORTS } from "./operations.ts";
import { leftOpen, PART } from "./uploads.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 60_000;
const STALL = 2500;
const RETRIES = 3;
const SOURCE = { size: 3 * PART + 1_000_001, seed: 21 };
const SMALL = { size: 100_001, seed: 22 };
const BROKEN = ["ConnectionBroken", "ConnectionFailed"];

/** The faults, and the codes that one which stays may end with. */
const FAULTS: Record<string, { what: What; when?: Fault["when"]; codes: string[] }> = {
  reset: { what: { kind: "reset" }, codes: BROKEN },
  silence: { what: { kind: "silent" }, codes: ["Timeout", "Stalled"] },
  "503": { what: SLOW_DOWN, codes: ["SlowDown"] },
  "200 with an error": {
    what: FAILED_200,
    codes: ["ServerFailure", "NotS3"],
  },
  "lost answer": { what: { kind: "reset" }, when: "done", codes: BROKEN },
};

/** The requests of a copy. */
const POINTS: Record<string, { on: Kind; number?: number; parts: boolean }> = {
  copy: { on: "copy", parts: false },
  create: { on: "create", parts: true },
  "first part": { on: "copyPart", number: 1, parts: true },
  "middle part": { on: "copyPart", number: 2, parts: true },
  "last part": { on: "copyPart", number: 4, parts: true },
  complete: { on: "complete", parts: true },
};

const rows: string[] = [];

function clientOf(bucket: FaultBucket, transport: (typeof TRANSPORTS)[number]): S3Client {
  return bucket.client({ transport, stallTimeout: STALL, retries: RETRIES });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await within(DEADLINE, work);
    return "exact";
  } catch (error) {
    if (error instanceof DipperError && !["Internal", "StaleHandle"].includes(error.code)) {
      return error.code;
    }
    throw new Error(`no typed error: ${Deno.inspect(error)}`, { cause: error });
  }
}

async function copyCase(
  fault: string,
  point: string,
  forEver: boolean,
  transport: (typeof TRANSPORTS)[number],
): Promise<string | undefined> {
  const { what, when, codes } = FAULTS[fault]!;
  const { on, number, parts } = POINTS[point]!;
  const spec = parts ? SOURCE : SMALL;
  await using bucket = await FaultBucket.make({
    objects: { source: spec },
    expected: { target: spec },
    faults: [{
      on,
      times: forEver ? null : 1,
      what,
      ...(number !== undefined && { number }),
      ...(when !== undefined && { when }),
    }],
  });
  using client = clientOf(bucket, transport);
  const title = `${fault}, ${point}, ${forEver ? "for ever" : "once"}`;
  try {
    const copying = client.file(bucket.uri("source")).copyTo(
      bucket.uri("target"),
      parts ? { partSize: PART, tags: {} } : {},
    );
    const code = await codeOf(copying);
    const unknown = fault === "lost answer" && point === "create";
    const left = await leftOpen(bucket);
    const { written, fired } = await bucket.report();
    rows.push(`${transport}\t${fault}\t${point}\t${code}${left.length > 0 ? ", upload left" : ""}`);
    if (fired[0] === 0) return `${title}: the fault never happened`;
    if (written["target"]?.asExpected === false) return `${title}: other bytes`;
    if (code === "exact" && !written["target"]) return `${title}: no object`;
    if (left.length > 0 && !unknown) return `${title}: ${code}, and an upload is left`;
    // Whether a copy whose answer is lost for ever was made, the target itself tells.
    const expected = forEver
      ? fault === "lost answer" && on !== "create" && on !== "copyPart"
        ? ["exact", ...codes]
        : codes
      : ["exact"];
    if (!expected.includes(code)) return `${title}: ${code} instead of ${expected.join(" or ")}`;
  } catch (error) {
    return `${title}: ${error instanceof Error ? error.message : Deno.inspect(error)}`;
  }
  return undefined;
}

for (const transport of TRANSPORTS) {
  describe(`the fault matrix of copies, ${transport}`, { ignore: control === undefined }, () => {
    for (const fault of Object.keys(FAULTS)) {
      it(fault, async () => {
        await settled("an earlier test left nothing");
        const failures = await Promise.all(
          Object.keys(POINTS).flatMap((point) =>
            [false, true].map((forEver) => copyCase(fault, point, forEver, transport))
          ),
        );
        const told = failures.filter((one) => one !== undefined);
        if (told.length > 0) fail(`\n  ${told.join("\n  ")}`);
        assertEquals(held().operations, 0);
        await settled();
      });
    }
    afterAll(() => {
      const mine = rows.filter((row) => row.startsWith(`${transport}\t`));
      const lines = Map.groupBy(mine, (row) => row.split("\t").slice(1, 3).join("\t"));
      console.log(`fault matrix of copies, transport ${transport}`);
      for (const [name, some] of lines) {
        const [fault, point] = name.split("\t");
        const codes = some.map((row) => row.split("\t")[3]).join(", then ");
        console.log(`${fault!.padEnd(20)} ${point!.padEnd(12)} ${codes}`);
      }
      console.log(`${mine.length} cases, each once and for ever`);
    });
  });
}

describe("a move", { ignore: control === undefined }, () => {
  it("whose delete fails keeps both, and says so", async () => {
    await using bucket = await FaultBucket.make({
      objects: { source: SMALL },
      expected: { target: SMALL },
      faults: [{
        on: "delete",
        times: null,
        what: { kind: "status", status: 403, code: "AccessDenied" },
      }],
    });
    using client = clientOf(bucket, "direct");
    const moving = client.file(bucket.uri("source")).moveTo(bucket.uri("target"));
    assertEquals(await codeOf(moving), "AccessDenied");
    const { written, deleted } = await bucket.report();
    assertEquals([written["target"]?.asExpected, deleted], [true, []]);
  });

  it("whose copy fails deletes nothing", async () => {
    await Promise.all(
      Object.values(FAULTS).map(async ({ what }) => {
        await using bucket = await FaultBucket.make({
          objects: { source: SMALL },
          faults: [{ on: "copy", times: null, what }],
        });
        using client = clientOf(bucket, "direct");
        const code = await codeOf(client.file(bucket.uri("source")).moveTo(bucket.uri("target")));
        const { written, kinds } = await bucket.report();
        assert(code !== "exact", code);
        assertEquals([written, kinds.delete ?? 0], [{}, 0]);
      }),
    );
  });
});

describe("deleteMany", { ignore: control === undefined }, () => {
  const COUNT = 2_500;
  const keys = Array.from({ length: COUNT }, (_, index) => `k${String(index).padStart(5, "0")}`);

  for (const [name, { what, when, codes }] of Object.entries(FAULTS)) {
    for (const forEver of [false, true]) {
      it(`${name}, ${forEver ? "for ever" : "once"}, in one of three batches`, async () => {
        await settled("an earlier test left nothing");
        const oneCase = async (skip: number): Promise<void> => {
          await using bucket = await FaultBucket.make({
            any: SMALL,
            faults: [{
              on: "deleteMany",
              skip,
              times: forEver ? null : 1,
              what,
              ...(when !== undefined && { when }),
            }],
          });
          using client = clientOf(bucket, "direct");
          const uris = keys.map((key) => bucket.uri(key));
          const report = await within(
            DEADLINE,
            client.deleteMany(uris, { onError: "collect" }),
          );
          const { deleted, fired } = await bucket.report();
          assert(fired[0]! > 0, "the fault happened");
          // Nothing is lost: each key was deleted or is told.
          assertEquals(report.deleted + report.failures.length, COUNT);
          const failed = new Set(report.failures.map(({ uri }) => uri));
          assertEquals(failed.size, report.failures.length);
          const gone = new Set(deleted);
          for (const key of keys) {
            const told = failed.has(bucket.uri(key));
            assert(gone.has(key) || told, `${key} was neither deleted nor told`);
            assert(!told || !gone.has(key) || name === "lost answer", `${key} was both`);
          }
          assertEquals(failed.size, forEver ? COUNT : 0);
          for (const { error } of report.failures) assert(codes.includes(error.code), error.code);
        };
        await Promise.all((forEver ? [0] : [0, 1, 2]).map(oneCase));
        await settled();
      });
    }
  }

  it("tells the keys that the server refuses, and rejects", async () => {
    await using bucket = await FaultBucket.make({
      any: SMALL,
      faults: [{ on: "deleteMany", times: null, what: { kind: "refuse", text: "7" } }],
    });
    using client = clientOf(bucket, "direct");
    const uris = keys.map((key) => bucket.uri(key));
    const error = await within(
      DEADLINE,
      client.deleteMany(uris).then(() => undefined, (error: unknown) => error),
    );
    assertInstanceOf(error, TransferError);
    const refused = keys.filter((key) => key.includes("7"));
    assertEquals(
      error.report.failures.map(({ uri, error }) => [uri, error.code]).toSorted(),
      refused.map((key) => [bucket.uri(key), "AccessDenied"]),
    );
    assertEquals((await bucket.report()).deleted.length, COUNT - refused.length);
  });
});

describe("listings of versions and of uploads", { ignore: control === undefined }, () => {
  const COUNT = 50;
  for (const [name, { what, codes }] of Object.entries(FAULTS)) {
    if (name === "lost answer") continue;
    for (const forEver of [false, true]) {
      it(`${name}, ${forEver ? "for ever" : "once"}`, async () => {
        await settled("an earlier test left nothing");
        const times = forEver ? null : 1;
        const ofVersions = async (part: "first" | "middle" | "last"): Promise<void> => {
          await using bucket = await FaultBucket.make({
            versions: { count: COUNT, name: "v", pageSize: 10 },
            faults: [{ on: "versions", part, times, what }],
          });
          using client = clientOf(bucket, "direct");
          let seen = 0;
          const code = await codeOf((async () => {
            for await (const entry of client.list(bucket.uri(""), { versions: true })) {
              assertEquals("key" in entry && entry.key, `v${String(seen).padStart(8, "0")}`);
              seen++;
            }
          })());
          if (forEver) assert(codes.includes(code), `${part}: ${code}`);
          else assertEquals([code, seen], ["exact", COUNT], part);
        };
        const ofUploads = async (): Promise<void> => {
          await using bucket = await FaultBucket.make({
            faults: [{ on: "uploads", times, what }],
          });
          await fetch(`${bucket.endpoint}/${bucket.name}/open?uploads`, { method: "POST" })
            .then((answer) => answer.body?.cancel());
          using client = clientOf(bucket, "direct");
          let seen = 0;
          const code = await codeOf((async () => {
            for await (const _ of client.incompleteUploads(bucket.uri(""))) seen++;
          })());
          if (forEver) assert(codes.includes(code), code);
          else assertEquals([code, seen], ["exact", 1]);
        };
        const parts = ["first", "middle", "last"] as const;
        await Promise.all([...parts.map(ofVersions), ofUploads()]);
        await settled();
      });
    }
  }
});
