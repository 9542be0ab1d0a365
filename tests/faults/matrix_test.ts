// The fault matrix: every fault, in every operation, in its first, middle and last part, once and
// for ever, on both transports. Each case ends with the exact bytes or a typed error, within a
// deadline, with every connection closed and nothing held.
//
// What a part is: get, range and stream read an object of eight parts, or some of it, and the fault
// is in the part with the named byte; getMany reads five objects, list five pages. A fault that
// concerns a header (the ETag, the Content-Range) is in a listing a header that does not belong
// there; it must not matter.
//
// A flipped bit can be found where S3 offers a checksum: for whole objects. For a range and for a
// listing it offers none. Those cases run and are counted apart, as what nobody can find.

import { assertEquals, fail } from "@std/assert";
import { afterAll, describe, it } from "@std/testing/bdd";
import { memory } from "dipper";
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
import {
  BUCKET,
  keyToFlip,
  type Operation,
  OPERATIONS,
  type Outcome,
  outcomeOf,
  PART,
  type Place,
  PLACES,
  spotOf,
  type Transport,
  TRANSPORTS,
} from "./operations.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 10_000;
/** How long a closed client's connections may stay. */
const CLOSING = 1000;
const STALL = 250;
/** Where nothing falls silent on purpose: what only waits for a processor is not asked again. */
const NO_STALL = 5_000;
const RETRIES = 3;

const FAULTS = [
  "reset",
  "truncate",
  "stall",
  "503",
  "200 with an error",
  "changed ETag",
  "wrong Content-Range",
  "no length, closed",
  "no length, chunked",
  "flipped bit",
] as const;
type FaultName = (typeof FAULTS)[number];

interface Case {
  fault: FaultName;
  operation: Operation;
  place: Place;
  forEver: boolean;
  transport: Transport;
}

function whatOf(fault: FaultName, place: Place): What {
  switch (fault) {
    case "reset":
      return { kind: "reset" };
    case "truncate":
      return { kind: "close" };
    case "stall":
      return { kind: "stall" };
    case "503":
      return SLOW_DOWN;
    case "200 with an error":
      return FAILED_200;
    case "changed ETag":
      // Whether the server obeys If-Match must not matter.
      return { kind: "change", honour: place !== "last" };
    case "wrong Content-Range":
      return { kind: "contentRange" };
    case "no length, closed":
      return { kind: "noLength" };
    case "no length, chunked":
      return { kind: "noLength", chunked: true };
    case "flipped bit":
      return { kind: "flip" };
  }
}

function faultOf({ fault, operation, place, forEver }: Case): Fault {
  const what = whatOf(fault, place);
  const times = forEver ? null : 1;
  if (operation !== "list") return { ...spotOf(operation, place), times, what };
  if (fault === "changed ETag") {
    const head: What = { kind: "head", set: { etag: '"changed"' } };
    return { on: "list", part: place, times, what: head };
  }
  if (fault === "flipped bit") {
    // The key's last character: the order of the keys stays.
    const find = keyToFlip(place);
    return { on: "list", part: place, times, find, after: find.length - 1, what };
  }
  return { on: "list", part: place, times, what };
}

/** The outcomes that a case may have, as the table names them. */
function expectedOf({ fault, operation, place, forEver, transport }: Case): string[] {
  const list = operation === "list";
  switch (fault) {
    case "reset":
    case "truncate":
      return forEver ? ["ConnectionBroken"] : ["exact"];
    case "stall":
      return forEver ? ["Stalled"] : ["exact"];
    case "503":
      return forEver ? ["SlowDown"] : ["exact"];
    case "200 with an error":
      if (!forEver) return ["exact"];
      return list ? ["ServerFailure", "NotS3"] : ["ServerFailure"];
    case "changed ETag":
      if (list) return ["exact"];
      // The request that the change comes with is the first of the version that is read.
      if (operation === "getMany" || place === "first") return ["exact, new"];
      // Parts of the old version were read before.
      return ["ObjectChanged"];
    case "wrong Content-Range":
      return list ? ["exact"] : ["NotS3"];
    case "no length, closed":
      // The end of the connection may be the end of the body, or a connection that broke. Only the
      // SDK's client goes by the range that was told.
      if (list) return ["exact"];
      return transport === "direct" || operation === "getMany" ? ["NotS3"] : ["exact"];
    case "no length, chunked":
      if (operation !== "getMany") return ["exact"];
      // How long an undivided object is must be known before memory is reserved. The direct path
      // lets the SDK's client ask again, which meets the fault only when it is there for ever.
      return forEver || transport === "sdk" ? ["NotS3"] : ["exact"];
    case "flipped bit":
      // It is told, not asked for again in silence: the stored object may be damaged.
      return list || operation === "range" ? ["not to be found"] : ["ChecksumMismatch"];
  }
}

function nameOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case "exact":
      return outcome.version === 0 ? "exact" : "exact, new";
    case "error":
      return outcome.error.code;
    case "flipped":
      return "not to be found";
  }
}

const outcomes: (Case & { outcome: string })[] = [];

async function runCase(one: Case): Promise<string | undefined> {
  const { operation, place, transport } = one;
  await using bucket = await FaultBucket.make({ ...BUCKET, faults: [faultOf(one)] });
  const client = bucket.client({
    transport,
    partSize: PART,
    connections: 4,
    stallTimeout: one.fault === "stall" ? STALL : NO_STALL,
    retries: RETRIES,
  });
  const title = `${operation}, ${place}, ${one.forEver ? "for ever" : "once"}`;
  try {
    const outcome = await within(DEADLINE, outcomeOf(operation, place, client, bucket));
    const name = nameOf(outcome);
    outcomes.push({ ...one, outcome: name });
    // Whatever came of it, it left nothing running.
    await bucket.untilQuiet(CLOSING);
    const expected = expectedOf(one);
    if (!expected.includes(name)) {
      const why = outcome.kind === "error" ? `: ${outcome.error.message}` : "";
      return `${title}: ${name} instead of ${expected.join(" or ")}${why}`;
    }
  } catch (error) {
    outcomes.push({ ...one, outcome: "WRONG" });
    return `${title}: ${error instanceof Error ? error.message : Deno.inspect(error)}`;
  } finally {
    client.dispose();
  }
  const { fired } = await bucket.report();
  if (fired[0] === 0) return `${title}: the fault never happened`;
  try {
    await bucket.untilClosed(CLOSING);
  } catch (error) {
    return `${title}: ${(error as Error).message}`;
  }
  return undefined;
}

for (const transport of TRANSPORTS) {
  describe(`the fault matrix, ${transport}`, { ignore: control === undefined }, () => {
    for (const fault of FAULTS) {
      it(fault, async () => {
        await settled("an earlier test left nothing");
        // Together, as most of them only wait.
        const cases = OPERATIONS.flatMap((operation) =>
          PLACES.flatMap((place) =>
            [false, true].map((forEver) => ({ fault, operation, place, forEver, transport }))
          )
        );
        const failures = (await Promise.all(cases.map(runCase))).filter((one) => one);
        if (failures.length > 0) fail(`\n  ${failures.join("\n  ")}`);
        assertEquals(held().operations, 0);
        await settled();
      });
    }
    afterAll(() => console.log(tableOf(transport)));
  });
}

/** What ran and how it ended, by fault and operation. */
function tableOf(transport: Transport): string {
  const mine = outcomes.filter((one) => one.transport === transport);
  const countOf = (some: typeof mine): string => {
    const counts = new Map<string, number>();
    for (const { outcome } of some) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    return [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  };
  const lines = FAULTS.flatMap((fault) =>
    OPERATIONS.map((operation) => {
      const some = mine.filter((one) => one.fault === fault && one.operation === operation);
      return `${fault.padEnd(20)} ${operation.padEnd(8)} ${String(some.length).padStart(5)}  ${
        countOf(some)
      }`;
    })
  );
  const apart = mine.filter(({ outcome }) => outcome === "not to be found").length;
  const exact = mine.filter(({ outcome }) => outcome.startsWith("exact")).length;
  const errors = mine.length - apart - exact;
  return [
    `fault matrix, transport ${transport}`,
    `${"fault".padEnd(20)} ${"read by".padEnd(8)} cases  outcomes`,
    ...lines,
    `${mine.length} cases: ${exact} with the exact bytes, ${errors} with an error; ` +
    `apart from them ${apart} flipped bits in ranges and listings, for which S3 has no checksum`,
  ].join("\n");
}
