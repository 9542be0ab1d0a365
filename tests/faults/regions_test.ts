// A bucket that lives in another region: the server says where, and the request goes out again, signed
// for that region. A server that sends clients around for ever ends as an error.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory } from "dipper";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import { control, FaultBucket, type What } from "./fault_server.ts";
import { BUCKET, OPERATIONS, outcomeOf, PART, TRANSPORTS } from "./operations.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 10_000;
const REGION = "eu-west-7";

function told(status: number, code: string): What {
  const headers: [string, string][] = [["x-amz-bucket-region", REGION]];
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>elsewhere</Message>` +
    `<Region>${REGION}</Region></Error>`;
  return { kind: "status", status, code, headers, body };
}

const ANSWERS: [name: string, what: What][] = [
  ["a permanent redirect", told(301, "PermanentRedirect")],
  ["a temporary redirect", told(307, "TemporaryRedirect")],
  ["a wrong region in the signature", told(400, "AuthorizationHeaderMalformed")],
];

for (const transport of TRANSPORTS) {
  describe(`another region, ${transport}`, { ignore: control === undefined }, () => {
    for (const [name, what] of ANSWERS) {
      it(`told by ${name} is asked`, async () => {
        await settled("an earlier test left nothing");
        for (const operation of OPERATIONS) {
          // One process may ask for many regions: each operation has a client of its own.
          const on = operation === "list" ? "list" : "get";
          await using bucket = await FaultBucket.make({ ...BUCKET, faults: [{ on, what }] });
          using client = bucket.client({ transport, partSize: PART, retries: 1 });
          const outcome = await within(DEADLINE, outcomeOf(operation, "first", client, bucket));
          assertEquals(outcome, { kind: "exact", version: 0 }, operation);
          const asked = Object.values((await bucket.report()).keys).flatMap(({ asked }) => asked);
          const signed = asked.filter(({ headers }) =>
            headers["authorization"]?.includes(`/${REGION}/s3/`)
          );
          assert(signed.length > 0, `${operation}: nothing was signed for ${REGION}`);
        }
        await settled();
      });

      it(`told by ${name} for ever is an error`, async () => {
        for (const operation of OPERATIONS) {
          const faults = [{ on: "any" as const, times: null, what }];
          await using bucket = await FaultBucket.make({ any: { size: 1 }, ...BUCKET, faults });
          using client = bucket.client({ transport, partSize: PART, retries: 1 });
          let code: string | undefined;
          if (operation === "getMany") {
            for await (const result of client.getMany([bucket.uri("many/0")])) {
              if ("error" in result) code = (result.error as { code?: string }).code;
            }
          } else {
            const outcome = await within(DEADLINE, outcomeOf(operation, "first", client, bucket));
            if (outcome.kind === "error") code = outcome.error.code;
          }
          assertEquals(code, "WrongRegion", operation);
          const { requests } = await bucket.report();
          assert(requests <= 12, `${operation}: ${requests} requests`);
        }
      });
    }
  });
}
