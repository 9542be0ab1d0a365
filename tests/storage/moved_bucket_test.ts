// A bucket that lives in another region than the client thinks: every request that went out before
// the client knew is sent again, however many there were, and also where only the body of the answer
// says where to.

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory, S3Client, type S3File } from "dipper";
import { objectAnswer, type Reply, ScriptedServer, sendAll } from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const HOME = "eu-west-7";
const DATA = new Uint8Array(3_000_000).map((_, index) => index * 7);

/** A server whose bucket lives elsewhere, and which answers the first requests only together. */
function elsewhere(together: number, inHeader: boolean) {
  const held: (() => void)[] = [];
  let strangers = 0;
  const all = async () => {
    strangers++;
    if (strangers > together) return;
    if (strangers < together) return await new Promise<void>((go) => void held.push(go));
    for (const go of held.splice(0)) go();
  };
  return ScriptedServer.start(async (asked, reply) => {
    if (!(asked.headers.get("authorization") ?? "").includes(`/${HOME}/s3/`)) {
      await all();
      await moved(reply, inHeader);
    } else if (asked.path.includes("tagging")) {
      await reply.answer(200, {}, "<Tagging><TagSet></TagSet></Tagging>");
    } else if (asked.method === "GET" || asked.method === "HEAD") {
      await sendAll(reply, objectAnswer(asked, DATA));
    } else {
      await reply.answer(asked.method === "DELETE" ? 204 : 200, { etag: '"one"' });
    }
  });
}

async function moved(reply: Reply, inHeader: boolean): Promise<void> {
  const headers: Record<string, string> = { "x-amz-request-id": "MOVED" };
  if (inHeader) headers["x-amz-bucket-region"] = HOME;
  const code = inHeader ? "PermanentRedirect" : "AuthorizationHeaderMalformed";
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>elsewhere</Message>` +
    `<Region>${HOME}</Region></Error>`;
  await reply.answer(inHeader ? 301 : 400, headers, body);
}

const operations: Record<string, (file: S3File) => Promise<unknown>> = {
  bytes: (file) => file.slice(0, 1000).bytes(),
  write: (file) => file.write("data", { checksum: "none" }),
  delete: (file) => file.delete(),
  tags: (file) => file.tags(),
};
const TOGETHER = 12;

for (const transport of ["direct", "sdk"] as const) {
  describe(`a bucket of another region, ${transport}`, () => {
    const options = {
      transport,
      region: "us-east-1",
      retries: 1,
      connections: 32,
      credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    };
    for (const [name, operation] of Object.entries(operations)) {
      it(`is found by ${TOGETHER} calls of ${name} at once`, async () => {
        await using server = await elsewhere(TOGETHER, true);
        using client = new S3Client({ ...options, endpoint: server.endpoint });
        const files = Array.from({ length: TOGETHER }, (_, n) => client.file(`s3://bucket/${n}`));
        await Promise.all(files.map(operation));
        const home = server.asked.filter(({ headers }) =>
          headers.get("authorization")?.includes(`/${HOME}/s3/`)
        );
        assert(home.length >= TOGETHER, `${home.length} requests found the bucket`);
      });
    }

    it("is found for a stream, whose first requests go out together", async () => {
      await using server = await elsewhere(1, true);
      using client = new S3Client({ ...options, endpoint: server.endpoint });
      let bytes = 0;
      for await (const chunk of client.file("s3://bucket/key").stream()) bytes += chunk.length;
      assertEquals(bytes, DATA.length);
    });

    it("is found where only the body of the answer names the region", async () => {
      await using server = await elsewhere(1, false);
      using client = new S3Client({ ...options, endpoint: server.endpoint });
      assertEquals(await client.file("s3://bucket/key").slice(0, 5).bytes(), DATA.slice(0, 5));
    });
  });
}
