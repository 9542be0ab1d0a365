// Tags of objects: on both servers, and against a scripted server that shows the requests.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { AccessDeniedError, InvalidInputError, memory, NotFoundError, S3Client } from "dipper";
import { ScriptedServer } from "./scripted_server.ts";
import { everyWay } from "./servers.ts";

memory();

everyWay("tags", (at) => {
  it("are none at first, replaced as a whole, and removed", async () => {
    const { client, uri } = at();
    const file = client.file(uri("tagged"));
    await file.write("x");
    assertEquals(await file.tags(), {});
    const set = { project: "dipper", "a b_.:/=+-@": "é 1" };
    assertEquals(await file.tags(set), set);
    assertEquals(await file.tags(), set);
    await file.tags({ one: "" });
    assertEquals(await file.tags(), { one: "" });
    assertEquals(await file.tags({}), {});
    assertEquals(await file.tags(), {});
    assertEquals(await file.text(), "x");
  });

  it("are those that a write gave", async () => {
    const { client, uri } = at();
    const file = client.file(uri("written"));
    await file.write("x", { tags: { a: "1", "b/c": "= 2" } });
    assertEquals(await file.tags(), { a: "1", "b/c": "= 2" });
  });

  it("may be ten, of S3's greatest length", async () => {
    const { client, uri, server } = at();
    const file = client.file(uri("ten"));
    await file.write("x");
    // versitygw keeps tags beside a file, where there is less room.
    const longest = server === "versitygw" ? 64 : 128;
    const name = (index: number) => `${index}`.padEnd(longest, "n");
    const ten = Object.fromEntries(
      Array.from({ length: 10 }, (_, index) => [name(index), "v".repeat(2 * longest)]),
    );
    await file.tags(ten);
    assertEquals(await file.tags(), ten);
  });

  it("of what is missing are an error", async () => {
    const { client, uri } = at();
    const file = client.file(uri("nobody"));
    for (const call of [() => file.tags(), () => file.tags({ a: "1" }), () => file.tags({})]) {
      const error = await assertRejects(call, NotFoundError, file.uri);
      assertEquals([error.operation, error.uri], ["tags", file.uri]);
    }
  });
});

describe("tags", () => {
  it("beyond S3's limits are refused before anything is sent", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.answer(200, {}));
    using client = clientOf(server);
    const file = client.file("s3://bkt/key");
    const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`t${index}`, ""]));
    const bad: unknown[] = [
      eleven,
      { "": "1" },
      { ["n".repeat(129)]: "1" },
      { a: "v".repeat(257) },
      { "a?": "1" },
      { a: "1\n" },
      { a: "<b>" },
      { "aws:a": "1" },
      { a: 1 },
      ["a"],
      "a=1",
    ];
    for (const set of bad) {
      const call = () => file.tags(set as Record<string, string>);
      const error = await assertRejects(call, InvalidInputError);
      assertEquals(error.operation, "tags");
    }
    assertEquals(server.asked.length, 0);
  });

  it("are asked for and set by the version that the handle names", async () => {
    await using server = await ScriptedServer.start((asked, reply) =>
      asked.method === "GET"
        ? reply.answer(200, {}, "<Tagging><TagSet/></Tagging>")
        : reply.answer(asked.method === "PUT" ? 200 : 204, {})
    );
    using client = clientOf(server);
    const file = client.file("s3://bkt/key", { versionId: "v1" });
    await file.tags();
    await file.tags({ a: "1" });
    await file.tags({});
    assertEquals(
      server.asked.map(({ method, path }) => {
        const asks = new URLSearchParams(path.split("?")[1]);
        return [method, asks.has("tagging"), asks.get("versionId")];
      }),
      [["GET", true, "v1"], ["PUT", true, "v1"], ["DELETE", true, "v1"]],
    );
    const body = new TextDecoder().decode(server.asked[1]!.body);
    assertStringIncludes(body, "<TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet>");
  });

  it("that are refused name the action", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(403, {}, "<Error><Code>AccessDenied</Code></Error>")
    );
    using client = clientOf(server);
    const file = client.file("s3://bkt/key");
    for (
      const [call, action] of [
        [() => file.tags(), "s3:GetObjectTagging"],
        [() => file.tags({ a: "1" }), "s3:PutObjectTagging"],
        [() => file.tags({}), "s3:DeleteObjectTagging"],
        [() => file.delete(), "s3:DeleteObject"],
        [() => client.createBucket("bucket"), "s3:CreateBucket"],
        [() => client.deleteBucket("bucket"), "s3:DeleteBucket"],
        [() => client.bucketRegion("bucket"), "s3:ListBucket"],
        [() => client.buckets(), "s3:ListAllMyBuckets"],
      ] as [() => Promise<unknown>, string][]
    ) {
      const error = await assertRejects(call, AccessDeniedError);
      assertStringIncludes(error.message, `refuses these credentials ${action} on `);
      assert(error.hint?.includes(action), error.hint);
    }
  });

  it("end with the signal's reason", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    using client = clientOf(server);
    const reason = new Error("enough");
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 50);
    const call = () => client.file("s3://bkt/key").tags(undefined, { signal: stop.signal });
    assertEquals(await assertRejects(call), reason);
  });
});

function clientOf(server: ScriptedServer): S3Client {
  const credentials = { accessKeyId: "test", secretAccessKey: "secret" };
  return new S3Client({ endpoint: server.endpoint, credentials });
}
