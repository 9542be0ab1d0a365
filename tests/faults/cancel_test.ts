// Reads that are given up in the middle of a body: by a signal, by ending a stream or a loop, and by
// disposing the client. The network stops within 100 ms, as the server sees it, and nothing is held.

import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { InvalidInputError, memory, type S3Client } from "dipper";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import { control, type Fault, FaultBucket } from "./fault_server.ts";
import {
  BUCKET,
  OBJECT,
  type Operation,
  OPERATIONS,
  PART,
  RANGE,
  TRANSPORTS,
} from "./operations.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 10_000;
/** How soon the network stops. Two cores serve everything here, so the best of some rounds counts. */
const SOON = 100;
const ROUNDS = 3;

/** Every body stalls for ever in its middle. */
const STALLED: Fault[] = [
  { on: "get", times: null, what: { kind: "stall" } },
  { on: "list", times: null, what: { kind: "stall" } },
];

/** All reads of the matrix, and two more. */
const READS = [...OPERATIONS, "ranges", "into"] as const;

/** A read that does not end by itself. */
function start(
  operation: Operation | "ranges" | "into",
  client: S3Client,
  bucket: FaultBucket,
  signal?: AbortSignal,
): Promise<unknown> {
  const options = signal === undefined ? {} : { signal };
  const object = client.file(bucket.uri("object"));
  switch (operation) {
    case "get":
      return object.bytes(options);
    case "range":
      return object.slice(RANGE.start, RANGE.end).bytes(options);
    case "ranges":
      return object.ranges([[0, 10], [RANGE.start, RANGE.end]], options);
    case "into":
      return object.into(new Uint8Array(OBJECT.size), options);
    case "stream":
      return Array.fromAsync(object.stream(options));
    case "getMany":
      return Array.fromAsync(client.getMany([bucket.uri("many/0"), bucket.uri("many/1")], options));
    case "list":
      return client.list(bucket.uri(""), options).toArray();
  }
}

/** Leaves the loop after the first result. In a function of its own: nothing of it stays on the stack. */
async function firstOf(client: S3Client, uris: string[]): Promise<string | undefined> {
  for await (const { uri } of client.getMany(uris, { ordered: true })) return uri;
  return undefined;
}

/** Starts something that stalls, ends it once its body flows, and tells how fast the network stopped. */
async function stopped(
  bucket: FaultBucket,
  begin: () => Promise<unknown>,
  end: () => unknown,
  check: (reason: unknown) => void,
): Promise<number> {
  const { requests } = await bucket.report();
  const settling = begin().then(
    (value) => assert(false, `it ended by itself: ${Deno.inspect(value)}`),
    check,
  );
  // Looked at below; until then it is nobody's.
  settling.catch(() => {});
  await bucket.untilAsked(requests + 1, DEADLINE);
  // The head and the first half of the body arrive.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert((await bucket.report()).busy > 0, "the body is still to come");
  await end();
  const took = await bucket.untilQuiet(DEADLINE);
  await within(DEADLINE, settling);
  return took;
}

for (const transport of TRANSPORTS) {
  describe(`giving up, ${transport}`, { ignore: control === undefined }, () => {
    const options = { transport, partSize: PART, connections: 4 };

    for (const operation of READS) {
      it(`${operation} by its signal`, async () => {
        await settled("an earlier test left nothing");
        const rounds: number[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          await using bucket = await FaultBucket.make({ ...BUCKET, faults: STALLED });
          using client = bucket.client(options);
          const giving = new AbortController();
          const reason = { because: "the test says so" };
          rounds.push(
            await stopped(
              bucket,
              () => start(operation, client, bucket, giving.signal),
              () => giving.abort(reason),
              (told) => assertStrictEquals(told, reason),
            ),
          );
        }
        assert(Math.min(...rounds) <= SOON, `the network stopped after ${rounds} ms`);
        await settled();
      });

      it(`${operation} by disposing the client`, async () => {
        await settled("an earlier test left nothing");
        const rounds: number[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          await using bucket = await FaultBucket.make({ ...BUCKET, faults: STALLED });
          const client = bucket.client(options);
          rounds.push(
            await stopped(
              bucket,
              () => start(operation, client, bucket),
              () => client.dispose(),
              (told) => {
                assertInstanceOf(told, InvalidInputError);
                assertEquals(told.code, "ClientGone");
              },
            ),
          );
          // Not only what was busy: what waited in the pool as well.
          await bucket.untilClosed(1000);
        }
        assert(Math.min(...rounds) <= SOON, `the network stopped after ${rounds} ms`);
        await settled();
      });
    }

    for (const way of ["cancel", "break"] as const) {
      it(`stream by its ${way}`, async () => {
        await settled("an earlier test left nothing");
        const rounds: number[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          // The first part comes, the rest stalls.
          const faults: Fault[] = [{ at: PART + 10, times: null, what: { kind: "stall" } }];
          await using bucket = await FaultBucket.make({ ...BUCKET, faults });
          using client = bucket.client(options);
          const stream = client.file(bucket.uri("object")).stream();
          if (way === "cancel") {
            const reader = stream.getReader();
            assert(!(await within(DEADLINE, reader.read())).done);
            await within(DEADLINE, reader.cancel("enough"));
          } else {
            for await (const chunk of stream) {
              assert(chunk.length > 0);
              break;
            }
          }
          rounds.push(await bucket.untilQuiet(DEADLINE));
        }
        assert(Math.min(...rounds) <= SOON, `the network stopped after ${rounds} ms`);
        await settled();
      });
    }

    it("getMany by leaving its loop", async () => {
      await settled("an earlier test left nothing");
      const rounds: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const faults: Fault[] = [{ key: "many/1", times: null, what: { kind: "stall" } }];
        await using bucket = await FaultBucket.make({ ...BUCKET, faults });
        using client = bucket.client(options);
        const uris = ["many/0", "many/1"].map((key) => bucket.uri(key));
        assertEquals(await firstOf(client, uris), uris[0]);
        rounds.push(await bucket.untilQuiet(DEADLINE));
      }
      assert(Math.min(...rounds) <= SOON, `the network stopped after ${rounds} ms`);
      await settled();
    });

    it("a read whose signal is aborted already asks nobody", async () => {
      await using bucket = await FaultBucket.make({ ...BUCKET });
      using client = bucket.client(options);
      const reason = new Error("before");
      for (const operation of READS) {
        const told = await within(
          DEADLINE,
          start(operation, client, bucket, AbortSignal.abort(reason)).then(
            () => "done",
            (why) => why,
          ),
        );
        assertStrictEquals(told, reason, operation);
      }
      assertEquals((await bucket.report()).requests, 0);
    });

    it("one of many reads leaves the others alone", async () => {
      const faults: Fault[] = [{ key: "many/0", times: null, what: { kind: "stall" } }];
      await using bucket = await FaultBucket.make({ ...BUCKET, faults });
      using client = bucket.client(options);
      const giving = new AbortController();
      const lost = client.file(bucket.uri("many/0")).bytes({ signal: giving.signal })
        .then(() => "done", (why) => why);
      const kept = client.file(bucket.uri("object")).bytes();
      await bucket.untilAsked(2, DEADLINE);
      giving.abort("given up");
      assertEquals(await within(DEADLINE, lost), "given up");
      assertEquals((await within(DEADLINE, kept)).length, OBJECT.size);
    });
  });
}
