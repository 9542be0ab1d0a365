// A stream is read in order, and its parts come in any. Parts that are ahead wait for the reader; the
// part that the reader waits for must get on nevertheless, however few connections there are.

import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory } from "dipper";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import { control, type Fault, FaultBucket } from "./fault_server.ts";
import { BUCKET, outcomeOf, PART, TRANSPORTS } from "./operations.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 10_000;

for (const transport of TRANSPORTS) {
  describe(`a stream's parts, ${transport}`, { ignore: control === undefined }, () => {
    for (const connections of [1, 2, 4]) {
      it(`come in order over ${connections} connections, though the first breaks`, async () => {
        await settled("an earlier test left nothing");
        // Each part ahead brings a few bytes and pauses; meanwhile the first one breaks, twice.
        const ahead = [1, 2, 3, 4, 5, 6, 7].map((part): Fault => ({
          key: "object",
          at: part * PART + 10,
          what: { kind: "stall", ms: 300 },
        }));
        const first: Fault = { key: "object", at: 20_000, times: 2, what: { kind: "reset" } };
        await using bucket = await FaultBucket.make({ ...BUCKET, faults: [first, ...ahead] });
        using client = bucket.client({
          transport,
          connections,
          partSize: PART,
          stallTimeout: 2000,
          retries: 3,
        });
        const outcome = await within(DEADLINE, outcomeOf("stream", "first", client, bucket));
        assertEquals(outcome, { kind: "exact", version: 0 });
        await settled();
      });
    }
  });
}
