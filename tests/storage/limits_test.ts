// What is too large is refused by its announced size, before its bytes are sent for.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BudgetExceededError, InvalidInputError, memory, S3Client } from "dipper";
import { headOf, ScriptedServer, within } from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** A server that announces an object of this size and never sends it. */
function announcing(size: number): Promise<ScriptedServer> {
  return ScriptedServer.start(async (asked, reply) => {
    await reply.send(headOf(200, {
      etag: '"large"',
      "x-amz-request-id": "SCRIPTED",
      "content-length": String(size),
    }));
    // The answer to a HEAD is complete, and its connection may be used again.
    if (asked.method !== "HEAD") await reply.silence();
  });
}

describe("an object that is too large", () => {
  it("for a string is refused by text() and json(), with what to do", async () => {
    // V8's longest string has 2 ** 29 - 24 units.
    await using server = await announcing(2 ** 29 - 23);
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    for (const read of ["text", "json"] as const) {
      const call = () => client.file("s3://bucket/key")[read]();
      const error = await within(5000, assertRejects(call, InvalidInputError));
      assertEquals([error.code, error.uri], ["InvalidInput", "s3://bucket/key"]);
      assertStringIncludes(error.message, String(2 ** 29 - 23));
      assertStringIncludes(error.message, "bytes()");
      assertStringIncludes(error.message, "slice()");
    }
    assertEquals([memory().buffers, memory().operations], [0, 0]);
  });

  it("for the memory there is is refused at once", async () => {
    const size = memory().budget + 1;
    await using server = await announcing(size);
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const file = client.file("s3://bucket/key");
    for (const read of [() => file.bytes(), () => file.buffer(), () => file.blob()]) {
      const error = await within(5000, assertRejects(read, BudgetExceededError));
      assertEquals([error.code, error.uri], ["BudgetExceeded", "s3://bucket/key"]);
      assertStringIncludes(error.message, String(size));
      assert(error.hint !== undefined && error.message.includes(error.hint), error.message);
    }
    assertEquals([memory().buffers, memory().operations], [0, 0]);
  });

  it("for its target is refused without waiting for its bytes", async () => {
    await using server = await announcing(2 ** 40);
    using client = new S3Client({ endpoint: server.endpoint, credentials: "anonymous" });
    const call = () => client.file("s3://bucket/key").into(new Uint8Array(1000));
    const error = await within(5000, assertRejects(call, InvalidInputError));
    assertStringIncludes(error.message, String(2 ** 40));
    assertEquals(error.target?.length, 1000);
  });
});
