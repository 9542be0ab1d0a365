// The fault matrix of uploads: every fault, at every request of an upload, once and for ever, from
// memory of Rust and from a stream, on both transports. Each case ends with exactly the bytes on the
// server, which compares them, or with one typed error; within a deadline, with every connection
// closed and nothing held. No upload is left open on the server.
//
// Only where the answer that names a new upload is lost, nobody can know of that upload: S3 has
// no other way to learn its name than that answer. Those cases are counted apart.
//
// An upload of four parts has the points create, first, middle and last part, and complete; an object
// of one part is the point put.

import { assert, assertEquals, assertStringIncludes, fail } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { DipperError, memory } from "dipper";
import { held, settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import {
  control,
  FAILED_200,
  type Fault,
  FaultBucket,
  SLOW_DOWN,
  type What,
} from "./fault_server.ts";
import { type Transport, TRANSPORTS } from "./operations.ts";
import {
  atPoint,
  LARGE,
  leftOpen,
  type Point,
  POINTS,
  SMALL,
  type Source,
  SOURCES,
  upload,
} from "./uploads.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 90_000;
/** How long a closed client's connections may stay. */
const CLOSING = 5000;
const STALL = 1500;
const RETRIES = 3;
/** Cases at a time: each has an object of its own on the server. */
const TOGETHER = 12;

const FAULTS = [
  "reset",
  "stall",
  "503",
  "503 before the body",
  "200 with an error",
  "lost answer",
  "flipped bit",
] as const;
type FaultName = (typeof FAULTS)[number];
interface Case {
  fault: FaultName;
  point: Point;
  source: Source;
  forEver: boolean;
  transport: Transport;
  /** Write only what is not there: a request that is sent again meets what the first one did. */
  exclusive?: boolean;
}

function faultOf({ fault, point, forEver }: Case): Fault {
  const times = forEver ? null : 1;
  const at = { ...atPoint(point), times };
  switch (fault) {
    case "reset":
      return { ...at, what: { kind: "reset" } };
    case "stall":
      return { ...at, what: { kind: "stall" } };
    case "503":
      return { ...at, what: SLOW_DOWN };
    case "503 before the body":
      return { ...at, when: "before", what: SLOW_DOWN };
    case "200 with an error":
      return {
        ...at,
        what: FAILED_200,
      };
    case "lost answer":
      return { ...at, when: "done", what: { kind: "reset" } };
    case "flipped bit":
      return { ...at, what: { kind: "flip" } };
  }
}

/** The outcomes that a case may have, as the table names them. */
function expectedOf({ fault, point, forEver }: Case): string[] {
  if (fault === "lost answer" && point === "create") {
    return (forEver ? BROKEN : ["exact"]).map((name) => `${name}, unknown upload`);
  }
  // The bytes were damaged on their way. It may be told instead of sent again in silence.
  if (fault === "flipped bit") {
    return forEver ? ["ChecksumMismatch"] : ["exact", "ChecksumMismatch"];
  }
  if (!forEver) return ["exact"];
  switch (fault) {
    case "reset":
      return BROKEN;
    case "stall":
      return ["Stalled", "Timeout"];
    case "503":
    case "503 before the body":
      return ["SlowDown"];
    case "200 with an error":
      return ["ServerFailure"];
    case "lost answer":
      // After a completion the object itself tells that it was made; a PUT just fails.
      return point === "complete" ? ["exact"] : point === "put" ? ["exact", ...BROKEN] : BROKEN;
  }
}

const BROKEN = ["ConnectionBroken"];

/** Whether there are bytes to flip: instructions carry no checksum. */
function applies(fault: FaultName, point: Point): boolean {
  return fault !== "flipped bit" || (point !== "create" && point !== "complete");
}

const outcomes: (Case & { outcome: string })[] = [];

async function runCase(one: Case): Promise<string | undefined> {
  const { point, source, forEver, exclusive } = one;
  const title = `${point}, from ${source}, ${forEver ? "for ever" : "once"}${
    exclusive ? ", only if new" : ""
  }`;
  const spec = point === "put" ? SMALL : LARGE;
  await using bucket = await FaultBucket.make({ faults: [faultOf(one)], expected: { key: spec } });
  const client = bucket.client({
    transport: one.transport,
    stallTimeout: STALL,
    retries: RETRIES,
  });
  try {
    let name = "exact";
    let why = "";
    try {
      await within(DEADLINE, upload(client, bucket.uri("key"), one));
    } catch (error) {
      if (!(error instanceof DipperError) || ["Internal", "StaleHandle"].includes(error.code)) {
        throw new Error(`no typed error: ${Deno.inspect(error)}`, { cause: error });
      }
      name = error.code;
      why = `: ${error.message}`;
    }
    const { fired } = await bucket.report();
    if (fired[0] === 0) return `${title}: the fault never happened`;
    const left = await leftOpen(bucket);
    const { written } = await bucket.report();
    if (written["key"]?.asExpected === false) throw new Error("the server has other bytes");
    if (name === "exact" && !written["key"]) throw new Error("the server has no object");
    if (left.length > 0) {
      const unknown = one.fault === "lost answer" && point === "create";
      name += unknown ? ", unknown upload" : ", UPLOAD LEFT";
    }
    outcomes.push({ ...one, outcome: name });
    const expected = expectedOf(one);
    if (!expected.includes(name)) return `${title}: ${name} instead of ${expected}${why}`;
  } catch (error) {
    outcomes.push({ ...one, outcome: "WRONG" });
    return `${title}: ${error instanceof Error ? error.message : Deno.inspect(error)}`;
  } finally {
    client.dispose();
  }
  try {
    await bucket.untilClosed(CLOSING);
  } catch (error) {
    return `${title}: ${(error as Error).message}`;
  }
  return undefined;
}

/** Runs cases, some at a time, and fails for those that end otherwise than they may. */
async function runAll(cases: Case[]): Promise<void> {
  await settled("an earlier test left nothing");
  const failures: string[] = [];
  const waiting = [...cases];
  await Promise.all(Array.from({ length: TOGETHER }, async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const failure = await runCase(one);
      if (failure !== undefined) failures.push(failure);
    }
  }));
  if (failures.length > 0) fail(`\n  ${failures.join("\n  ")}`);
  assertEquals(held().operations, 0);
  await settled();
}

for (const transport of TRANSPORTS) {
  describe(`the fault matrix of uploads, ${transport}`, { ignore: control === undefined }, () => {
    for (const fault of FAULTS) {
      it(fault, () =>
        runAll(
          POINTS.filter((point) => applies(fault, point)).flatMap((point) =>
            SOURCES.flatMap((source) =>
              [false, true].map((forEver) => ({ fault, point, source, forEver, transport }))
            )
          ),
        ));
    }

    it("lost answer, only if new", () =>
      runAll(
        (["put", "complete"] as const).flatMap((point) =>
          [false, true].map((forEver) => ({
            fault: "lost answer" as const,
            point,
            source: "memory" as const,
            forEver,
            transport,
            exclusive: true,
          }))
        ),
      ));
    afterAll(() => console.log(tableOf(transport)));
  });
}

describe("an upload whose abort fails too", { ignore: control === undefined }, () => {
  const kinds: [name: string, what: What][] = [
    ["reset", { kind: "reset" }],
    ["503", SLOW_DOWN],
    ["silent", { kind: "silent" }],
  ];
  const refused: Fault = {
    on: "part",
    number: 2,
    times: null,
    what: { kind: "status", status: 403, code: "AccessDenied" },
  };
  for (const [name, what] of kinds) {
    it(`${name} once: it is aborted all the same`, async () => {
      await settled("an earlier test left nothing");
      const { error, left } = await failing({ on: "abort", times: 1, what });
      assertEquals([error.code, left], ["AccessDenied", []]);
      assert(!error.message.includes("could not be removed"), error.message);
      await settled();
    });

    it(`${name} for ever: the error names what is left`, async () => {
      await settled("an earlier test left nothing");
      const { error, left } = await failing({ on: "abort", times: null, what });
      assertEquals([error.code, left.length], ["AccessDenied", 1]);
      assertStringIncludes(error.message, "could not be removed");
      assertStringIncludes(error.message, left[0]!);
      await settled();
    });
  }

  async function failing(abort: Fault): Promise<{ error: DipperError; left: string[] }> {
    await using bucket = await FaultBucket.make({ faults: [refused, abort] });
    using client = bucket.client({ stallTimeout: STALL, retries: RETRIES });
    const sent = within(
      DEADLINE,
      upload(client, bucket.uri("key"), { point: "middle", source: "memory" }),
    );
    const error = await sent.then(
      () => undefined,
      (error: unknown) => error,
    );
    assert(error instanceof DipperError, Deno.inspect(error));
    return { error, left: await leftOpen(bucket) };
  }
});

/** What ran and how it ended, by fault and point. */
function tableOf(transport: Transport): string {
  const mine = outcomes.filter((one) => one.transport === transport);
  const countOf = (some: typeof mine): string => {
    const counts = new Map<string, number>();
    for (const { outcome } of some) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    return [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  };
  const lines = FAULTS.flatMap((fault) =>
    POINTS.filter((point) => applies(fault, point)).map((point) => {
      const some = mine.filter((one) => one.fault === fault && one.point === point);
      return `${fault.padEnd(20)} ${point.padEnd(9)} ${String(some.length).padStart(5)}  ${
        countOf(some)
      }`;
    })
  );
  const unknown = mine.filter(({ outcome }) => outcome.includes("unknown")).length;
  const exact = mine.filter(({ outcome }) => outcome === "exact").length;
  const errors = mine.length - unknown - exact;
  return [
    `fault matrix of uploads, transport ${transport}`,
    `${"fault".padEnd(20)} ${"point".padEnd(9)} cases  outcomes`,
    ...lines,
    `${mine.length} cases: ${exact} with the exact bytes, ${errors} with an error; apart from them ` +
    `${unknown} whose answer to create was lost: nobody can know of those uploads`,
  ].join("\n");
}
