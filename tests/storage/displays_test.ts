// What displays ask a server for: a file two ranged requests of 64 KiB at most, a listing one page.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory, S3Client } from "dipper";
import { sampleDirectory } from "../../tools/sample_data.ts";
import {
  type Asked,
  objectAnswer,
  type Reply,
  ScriptedServer,
  sendAll,
} from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const KIBIBYTE = 1024;
const PART = 64 * KIBIBYTE;

/** What a notebook gets. */
interface Bundle {
  readonly "text/html": string;
  readonly "text/plain": string;
}

const TOO_LATE = "not there within";

/** A preview gives up after three seconds, which a busy machine may take: then it is tried again. */
async function inTime(attempt: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 10; tries++) if (await attempt()) return;
  throw new Error("no preview came in time");
}

async function shown(value: unknown): Promise<Bundle> {
  const display = Reflect.get(value as object, Symbol.for("Jupyter.display")) as () => unknown;
  return await display.call(value) as Bundle;
}

function clientOf(server: ScriptedServer): S3Client {
  const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
  return new S3Client({ endpoint: server.endpoint, credentials, retries: 0 });
}

/** The ranges that were asked for. */
function rangesOf(server: ScriptedServer): (string | undefined)[] {
  return server.asked.map(({ method, headers }) => {
    assertEquals(method, "GET");
    return headers.get("range");
  });
}

/** Serves one object, and counts the bytes of bodies. */
async function serving(data: Uint8Array) {
  const sent = { bytes: 0 };
  const server = await ScriptedServer.start(async (asked, reply) => {
    const answer = objectAnswer(asked, data);
    sent.bytes += answer.body.length;
    await sendAll(reply, answer);
  });
  return { server, sent };
}

describe("the display of a file", () => {
  const parquet = Deno.readFileSync(`${sampleDirectory()}/flights-3m.parquet`);
  const text = new TextEncoder().encode("a line of text\n".repeat(100_000));
  const png = Deno.readFileSync(`${sampleDirectory()}/ffox.png`);
  const image = (size: number): Uint8Array => {
    const bytes = new Uint8Array(size);
    bytes.set(png);
    return bytes;
  };
  const cases: [string, Uint8Array, string[], string][] = [
    ["text", text, ["bytes=0-65535"], "First 24 lines."],
    [
      "Parquet",
      parquet,
      ["bytes=0-65535", `bytes=${parquet.length - PART}-${parquet.length - 1}`],
      "3,000,000 rows, 5 columns",
    ],
    [
      "Parquet of less than two parts",
      parquet.slice(-100 * KIBIBYTE).fill(0x50, 0, 1).fill(0x41, 1, 2).fill(0x52, 2, 3)
        .fill(0x31, 3, 4),
      ["bytes=0-65535", `bytes=65536-${100 * KIBIBYTE - 1}`],
      "3,000,000 rows, 5 columns",
    ],
    ["a small image", png, ["bytes=0-65535"], "PNG image, 100 × 100"],
    [
      "an image of two parts",
      image(2 * PART),
      ["bytes=0-65535", "bytes=65536-131071"],
      "PNG image, 100 × 100",
    ],
    ["a larger image", image(2 * PART + 1), ["bytes=0-65535"], "only the beginning"],
    ["an image of 60 MB", image(60_000_000), ["bytes=0-65535"], "would swell the notebook"],
  ];
  for (const [name, data, ranges, words] of cases) {
    it(`asks for ${ranges.length === 1 ? "one part" : "two parts"} of ${name}`, async () => {
      await inTime(async () => {
        const { server, sent } = await serving(data);
        await using _server = server;
        using client = clientOf(server);
        const held = memory().bytes;
        const bundle = await shown(client.file("s3://bucket/key"));
        if (bundle["text/plain"].includes(TOO_LATE)) return false;
        assertEquals(rangesOf(server), ranges);
        assert(sent.bytes <= 128 * KIBIBYTE, `${sent.bytes} bytes`);
        assertStringIncludes(bundle["text/plain"], words);
        const drawn = bundle["text/html"].includes('<img class="dipper-image"');
        assertEquals(drawn, data[0] === 0x89 && data.length <= 2 * PART);
        assert(memory().bytes <= held, "nothing of the preview is held");
        return true;
      });
    });
  }

  it("asks for the end of the version whose beginning it has", async () => {
    await inTime(async () => {
      const { server } = await serving(parquet);
      await using _server = server;
      using client = clientOf(server);
      const { "text/plain": plain } = await shown(client.file("s3://bucket/key"));
      if (plain.includes(TOO_LATE)) return false;
      assertEquals(server.asked[1]?.headers.get("if-match"), '"one"');
      return true;
    });
  });

  it("shows what it has when the end does not come", async () => {
    await inTime(async () => {
      await using server = await ScriptedServer.start(async (asked, reply, index) => {
        if (index > 0) await reply.answer(412, {}, "");
        else await sendAll(reply, objectAnswer(asked, parquet));
      });
      using client = clientOf(server);
      const { "text/plain": plain } = await shown(client.file("s3://bucket/key"));
      if (plain.includes(TOO_LATE)) return false;
      assertStringIncludes(plain, "  Size  12.9 MiB");
      assertStringIncludes(plain, "00000000  50 41 52 31");
      assertStringIncludes(plain, "does not hold");
      return true;
    });
  });

  it("says what a slice is, and asks for no more than it", async () => {
    await inTime(async () => {
      const { server, sent } = await serving(text);
      await using _server = server;
      using client = clientOf(server);
      const { "text/plain": plain } = await shown(client.file("s3://bucket/key").slice(15, 45));
      if (plain.includes(TOO_LATE)) return false;
      assertEquals(rangesOf(server), ["bytes=15-44"]);
      assertEquals(sent.bytes, 30);
      assertStringIncludes(plain, "Slice  30 bytes, from 15 to 45\n");
      assertEquals(plain.includes("First"), false, "all of the slice is there");
      return true;
    });
  });

  it("gives up in time, and says so", async () => {
    await using server = await ScriptedServer.start((_, reply) => reply.silence());
    using client = clientOf(server);
    const { "text/plain": plain } = await shown(client.file("s3://bucket/key"));
    assertStringIncludes(plain, "not there within 3 s");
    assert(server.asked.length <= 1, "it is not tried again");
  });

  it("says why an object cannot be shown", async () => {
    await inTime(async () => {
      await using server = await ScriptedServer.start((_, reply) => reply.answer(404, {}, ""));
      using client = clientOf(server);
      const { "text/plain": plain } = await shown(client.file("s3://bucket/key"));
      if (plain.includes(TOO_LATE)) return false;
      assertStringIncludes(plain, "s3://bucket/key does not exist");
      return true;
    });
  });
});

/** Answers as a bucket of a million keys does, `size` of them a page. */
function million(size: number) {
  return (asked: Asked, reply: Reply): Promise<void> => {
    const query = new URL(asked.path, "http://host").searchParams;
    const start = Number(query.get("continuation-token") ?? 0);
    const count = Math.min(size, Number(query.get("max-keys") ?? 1000));
    const keys = Array.from({ length: count }, (_, index) => {
      const key = `year=2024/${String(start + index).padStart(7, "0")}.parquet`;
      return `<Contents><Key>${key}</Key><Size>1024</Size>` +
        `<LastModified>2026-01-02T03:04:05Z</LastModified></Contents>`;
    });
    const body = `<ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated>` +
      `<NextContinuationToken>${start + count}</NextContinuationToken>${keys.join("")}` +
      `</ListBucketResult>`;
    return reply.answer(200, { "content-type": "application/xml" }, body);
  };
}

describe("the display of a listing of a million objects", () => {
  it("fetches the first page and nothing more", async () => {
    await using server = await ScriptedServer.start(million(1000));
    using client = clientOf(server);
    const listing = client.list("s3://bucket/", { startAfter: "a" });
    const { "text/plain": plain, "text/html": html } = await shown(listing);
    assertEquals(server.asked.length, 1);
    assert(plain.startsWith("s3://bucket/: 1,000 objects or more, 1000.0 KiB or more\n"));
    assertStringIncludes(plain, "First 20; there are more.");
    assertStringIncludes(plain, 'await list("s3://bucket/", { startAfter: "a" }).toArray()');
    assertEquals(html.split("<tr>").length - 1, 21, "a header and 20 rows");
    await shown(listing);
    assertEquals(server.asked.length, 2, "each display looks anew");
    assertEquals(listing.token, undefined, "and hands nothing out");
  });

  it("does so where pages are short", async () => {
    await using server = await ScriptedServer.start(million(100));
    using client = clientOf(server);
    const { "text/plain": plain } = await shown(client.list("s3://bucket/"));
    assertEquals(server.asked.length, 1);
    assertStringIncludes(plain, "100 objects or more");
  });

  it("does so where nothing matches a pattern", async () => {
    await using server = await ScriptedServer.start(million(1000));
    using client = clientOf(server);
    const { "text/plain": plain } = await shown(client.list("s3://bucket/", { glob: "**/*.csv" }));
    assertEquals(server.asked.length, 1);
    assert(plain.startsWith("s3://bucket/: nothing matches\n"), plain);
    assertStringIncludes(
      plain,
      "Looked at the first 1,000 names for what matches; there are more.",
    );
    assertStringIncludes(plain, '{ glob: "**/*.csv" }');
  });

  it("shows an array of entries without asking again", async () => {
    await using server = await ScriptedServer.start(million(1000));
    using client = clientOf(server);
    const entries = await client.list("s3://bucket/", { limit: 30 }).toArray();
    const before = server.asked.length;
    const { "text/plain": plain } = await shown(entries);
    assertEquals(server.asked.length, before);
    assertStringIncludes(plain, "First 20 of 30; the array holds all of them.");
    assertEquals(Object.keys(entries).length, 30, "it stays an array for everybody else");
  });

  it("says why there is none", async () => {
    await using server = await ScriptedServer.start((_, reply) =>
      reply.answer(
        404,
        { "content-type": "application/xml" },
        "<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>",
      )
    );
    using client = clientOf(server);
    for (const listing of [client.list("s3://bucket/"), client.incompleteUploads("s3://bucket/")]) {
      const { "text/plain": plain } = await shown(listing);
      assert(plain.startsWith("s3://bucket/: not listed\n"), plain);
      assertStringIncludes(plain, "does not exist");
    }
  });
});
