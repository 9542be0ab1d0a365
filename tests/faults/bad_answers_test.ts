// Answers that no S3 server should give: heads that are cut, oversized, doubled or garbage, bodies
// that are longer or shorter than promised, servers that hardly speak. Whatever comes, every read
// ends soon, with the right bytes or a typed error, on both transports.

import { assert, assertEquals, assertRejects, fail } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { AccessDeniedError, LocalS3, memory, type S3Client } from "dipper";
import { held, settled } from "../memory/settled.ts";
import { assertSameBytes } from "../storage/bytes.ts";
import { within } from "../storage/scripted_server.ts";
import { contentOf } from "./content.ts";
import { control, endpoint6, type Fault, FaultBucket, type What } from "./fault_server.ts";
import {
  BUCKET,
  OBJECT,
  type Operation,
  OPERATIONS,
  outcomeOf,
  PART,
  spotOf,
  TRANSPORTS,
} from "./operations.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 10_000;
const STALL = 200;

/** What may come of a bad answer, beside a typed error. */
type Allowed =
  /** Only an error: there is no telling what was meant. */
  | "error"
  /** The data, for nothing of it is in doubt. */
  | "exact"
  /** Either. */
  | "either";

interface Bad {
  name: string;
  what: What;
  allowed: Allowed;
  /** Not only the requests for one byte in the middle: what asks for the next byte meets it again. */
  everyRequest?: true;
  /** Reads that it is told apart for. */
  except?: Partial<Record<Operation, Allowed>>;
}

function head(fault: Omit<Extract<What, { kind: "head" }>, "kind">): What {
  return { kind: "head", ...fault };
}

/** A header that only answers about objects have does not matter in a listing. */
const OBJECTS_ONLY = { list: "exact" } as const;
/** `getMany` asks for whole small objects; what speaks of ranges does not matter. */
const RANGES_ONLY = { list: "exact", getMany: "either" } as const;

const HEADS: Bad[] = [
  {
    name: "another protocol",
    what: head({ raw: "SSH-2.0-OpenSSH_9.9\r\n", cut: 99 }),
    allowed: "error",
  },
  {
    name: "random bytes",
    what: head({ raw: "\x00\xff\x80HTTP\r\n\r\n\x01\x02\x03\r\n\r\n".repeat(20), cut: 9999 }),
    allowed: "error",
  },
  {
    name: "a TLS alert",
    what: head({ raw: "\x15\x03\x01\x00\x02\x02\x46", cut: 99 }),
    allowed: "error",
  },
  { name: "nothing, then the end", what: head({ cut: 0 }), allowed: "error" },
  { name: "a cut head, then the end", what: head({ cut: 40 }), allowed: "error" },
  { name: "a cut head, then a reset", what: head({ cut: 40, then: "reset" }), allowed: "error" },
  { name: "a cut head, then silence", what: head({ cut: 40, then: "stall" }), allowed: "error" },
  { name: "a header of 4,000 bytes", what: head({ pad: 4000 }), allowed: "exact" },
  { name: "a header of a megabyte", what: head({ pad: 1 << 20 }), allowed: "either" },
  { name: "a header of four megabytes", what: head({ pad: 4 << 20 }), allowed: "error" },
  { name: "60 headers more", what: head({ count: 60 }), allowed: "exact" },
  { name: "100,000 headers more", what: head({ count: 100_000 }), allowed: "error" },
  {
    name: "two lengths that differ",
    what: head({ add: [["Content-Length", "17"]] }),
    allowed: "error",
  },
  {
    name: "no sensible length",
    what: head({ set: { "content-length": "minus one" } }),
    allowed: "error",
  },
  { name: "a negative length", what: head({ set: { "content-length": "-5" } }), allowed: "error" },
  {
    name: "a length beyond all numbers",
    what: head({ set: { "content-length": "18446744073709551617" } }),
    allowed: "error",
  },
  {
    name: "a length that no memory has",
    what: head({ set: { "content-length": "9007199254740991" } }),
    allowed: "error",
  },
  {
    name: "a length with a byte that is no text",
    what: head({ set: { "content-length": "\xff" } }),
    allowed: "error",
  },
  {
    name: "a length in chunks and in bytes",
    what: head({ add: [["Transfer-Encoding", "chunked"]] }),
    allowed: "error",
  },
  {
    name: "an unknown transfer encoding",
    what: head({ set: { "content-length": null }, add: [["Transfer-Encoding", "zip"]] }),
    allowed: "error",
  },
  {
    name: "chunks that are none",
    what: head({ set: { "content-length": null }, add: [["Transfer-Encoding", "chunked"]] }),
    allowed: "error",
  },
  {
    name: "two ranges that differ",
    what: head({ add: [["Content-Range", "bytes 0-16/17"]] }),
    allowed: "either",
    except: OBJECTS_ONLY,
  },
  {
    name: "a range that is none",
    what: head({ set: { "content-range": "bytes a-b/c" } }),
    allowed: "error",
    except: RANGES_ONLY,
  },
  {
    name: "a range backwards",
    what: head({ set: { "content-range": `bytes 99-0/${OBJECT.size}` } }),
    allowed: "error",
    except: RANGES_ONLY,
  },
  {
    name: "a range outside of the object",
    what: head({ set: { "content-range": "bytes 0-99999999/10" } }),
    allowed: "error",
    except: RANGES_ONLY,
  },
  {
    name: "a range beyond all numbers",
    what: head({ set: { "content-range": "bytes 0-18446744073709551616/18446744073709551617" } }),
    allowed: "error",
    except: RANGES_ONLY,
  },
  {
    name: "two ETags that differ",
    what: head({ add: [["ETag", '"another"']] }),
    allowed: "either",
    except: OBJECTS_ONLY,
  },
  {
    name: "an ETag that is no text",
    what: head({ set: { etag: '"\xff\xfe"' } }),
    allowed: "either",
    except: OBJECTS_ONLY,
  },
  {
    name: "a date that is none",
    what: head({ set: { "last-modified": "Thu, 99 Foo", date: "never" } }),
    allowed: "either",
    except: OBJECTS_ONLY,
  },
  { name: "a status that is none", what: head({ line: "HTTP/1.1 9x9 What" }), allowed: "error" },
  { name: "a status of 999", what: head({ line: "HTTP/1.1 999 What" }), allowed: "error" },
  { name: "another version of HTTP", what: head({ line: "HTTP/3.0 206 OK" }), allowed: "error" },
  { name: "a status without HTTP", what: head({ line: "ICY 200 OK" }), allowed: "error" },
  {
    name: "a status for no body",
    what: head({ line: "HTTP/1.1 204 No Content" }),
    allowed: "error",
  },
  { name: "not modified", what: head({ line: "HTTP/1.1 304 Not Modified" }), allowed: "error" },
  {
    name: "a header without a colon",
    what: head({ add: [["x-one: 1\r\nthis is no header\r\nx-two", "2"]] }),
    allowed: "either",
  },
  {
    name: "a header with a zero byte",
    what: head({ add: [["x-zero", "a\x00b"]] }),
    allowed: "either",
  },
  {
    name: "a header with a space in its name",
    what: head({ add: [["x zero", "b"]] }),
    allowed: "either",
  },
  { name: "a redirect to nowhere", what: status(302, "Found"), allowed: "error" },
  {
    name: "a redirect to another server",
    what: {
      kind: "status",
      status: 307,
      code: "TemporaryRedirect",
      headers: [["Location", "http://127.0.0.1:9/elsewhere"]],
    },
    allowed: "error",
  },
  { name: "a refusal", what: status(403, "AccessDenied"), allowed: "error" },
  { name: "an error without a body", what: { ...status(500, ""), body: "" }, allowed: "error" },
  {
    name: "an error whose body is a web page",
    what: { ...status(502, ""), body: "<html>Bad Gateway</html>" },
    allowed: "error",
  },
  {
    name: "an error of 8 megabytes",
    what: { ...status(503, ""), body: `<Error>${"x".repeat(8 << 20)}</Error>` },
    allowed: "error",
  },
];

const BODIES: Bad[] = [
  {
    name: "bytes behind the body",
    what: { kind: "extra", text: "x".repeat(50) },
    allowed: "exact",
  },
  {
    name: "a whole answer behind the body",
    what: {
      kind: "extra",
      text: 'HTTP/1.1 200 OK\r\nETag: "evil"\r\nContent-Length: 4\r\n\r\nevil',
    },
    allowed: "exact",
  },
  {
    name: "a body shorter than its length, then silence",
    what: head({ set: { "content-length": String(OBJECT.size + 1000) } }),
    allowed: "error",
  },
  {
    name: "a body longer than its length",
    what: head({ set: { "content-length": "1000" } }),
    allowed: "error",
  },
  { name: "an empty body", what: head({ set: { "content-length": "0" } }), allowed: "error" },
  {
    name: "a body that dribbles",
    what: { kind: "dribble", ms: 2 * STALL },
    allowed: "error",
    everyRequest: true,
  },
  {
    name: "a head that dribbles for ever",
    what: head({ pad: 1 << 20, dribble: STALL / 4 }),
    allowed: "error",
  },
  { name: "silence", what: { kind: "silent" }, allowed: "error" },
];

function status(number: number, code: string): Extract<What, { kind: "status" }> {
  return { kind: "status", status: number, code };
}

for (const transport of TRANSPORTS) {
  describe(`bad answers, ${transport}`, { ignore: control === undefined }, () => {
    for (const bad of [...HEADS, ...BODIES]) {
      it(`${bad.name}`, async () => {
        await settled("an earlier test left nothing");
        const wrong = await Promise.all(OPERATIONS.map(async (operation) => {
          const { key, at } = spotOf(operation, "middle");
          const fault: Fault = operation === "list"
            ? { on: "list", part: "middle", times: null, what: bad.what }
            : bad.everyRequest
            ? { key: key!, after: 0, times: null, what: bad.what }
            : { key: key!, at: at!, times: null, what: bad.what };
          await using bucket = await FaultBucket.make({ ...BUCKET, faults: [fault] });
          using client = bucket.client({
            transport,
            partSize: PART,
            connections: 2,
            stallTimeout: STALL,
            retries: 1,
          });
          const allowed = bad.except?.[operation] ?? bad.allowed;
          let told: string;
          try {
            const read = outcomeOf(operation, "middle", client, bucket);
            const outcome = await within(DEADLINE, read);
            told = outcome.kind;
            if (allowed === "either" && outcome.kind !== "flipped") return undefined;
            if (allowed === outcome.kind) {
              const { fired } = await bucket.report();
              return fired[0] === 0 ? `${operation}: the fault never happened` : undefined;
            }
            if (outcome.kind === "error") told += ` ${outcome.error.code} ${outcome.error.message}`;
          } catch (error) {
            told = error instanceof Error ? error.message : Deno.inspect(error);
          }
          return `${operation}: ${told}, and not ${allowed}`;
        }));
        const failures = wrong.filter((one) => one !== undefined);
        if (failures.length > 0) fail(`\n  ${failures.join("\n  ")}`);
        assertEquals(held().operations, 0);
        await settled();
      });
    }

    for (const then of ["close", "reset", "stall"] as const) {
      it(`whose head is cut once by a ${then} are asked for again`, async () => {
        for (const operation of OPERATIONS) {
          const fault: Fault = operation === "list"
            ? { on: "list", part: "middle", what: head({ cut: 40, then }) }
            : { ...spotOf(operation, "middle"), what: head({ cut: 40, then }) };
          await using bucket = await FaultBucket.make({ ...BUCKET, faults: [fault] });
          using client = bucket.client({ transport, partSize: PART, stallTimeout: STALL });
          const outcome = await within(DEADLINE, outcomeOf(operation, "middle", client, bucket));
          assertEquals(outcome, { kind: "exact", version: 0 }, operation);
          assertEquals((await bucket.report()).fired, [1]);
        }
      });
    }

    it("never mix answers, though bytes behind a body look like one", async () => {
      const text = "HTTP/1.1 206 Partial Content\r\nContent-Length: 3\r\n\r\nbad";
      await using bucket = await FaultBucket.make({
        ...BUCKET,
        faults: [{ on: "any", times: null, what: { kind: "extra", text } }],
      });
      using client = bucket.client({ transport, partSize: PART, connections: 1, retries: 5 });
      const data = contentOf(OBJECT);
      for (let round = 0; round < 10; round++) {
        const start = round * 1000;
        const slice = client.file(bucket.uri("object")).slice(start, start + 100);
        const bytes = await within(DEADLINE, slice.bytes());
        assertSameBytes(bytes, data.slice(start, start + 100));
      }
    });

    it("that are late tell the clock's difference", async () => {
      const code = "RequestTimeTooSkewed";
      for (const [minutes, text] of [[-20, /(19|20) min/], [180, /(2 h 59 min|3 h)/]] as const) {
        const date = new Date(Date.now() + minutes * 60_000).toUTCString();
        await using bucket = await FaultBucket.make({
          ...BUCKET,
          faults: [{
            on: "any",
            times: null,
            what: { kind: "status", status: 403, code, headers: [["Date", date]] },
          }],
        });
        using client = bucket.client({ transport, retries: 1 });
        for (const read of reads(client, bucket)) {
          const error = await within(DEADLINE, assertRejects(read, AccessDeniedError));
          assertEquals(error.code, "Expired");
          assert(text.test(error.message), error.message);
          assert(/clock/.test(error.message), error.message);
        }
      }
    });

    it("by IPv6 are as good as others", { ignore: endpoint6 === undefined }, async () => {
      await using bucket = await FaultBucket.make(BUCKET, endpoint6);
      using client = bucket.client({ transport, partSize: PART, connections: 2 });
      for (const operation of OPERATIONS) {
        const outcome = await within(DEADLINE, outcomeOf(operation, "first", client, bucket));
        assertEquals(outcome, { kind: "exact", version: 0 }, operation);
      }
    });
  });

  describe(`keys with every awkward character, ${transport}`, () => {
    let server: LocalS3;
    let client: S3Client;
    beforeAll(async () => {
      server = await LocalS3.start();
      client = server.client({ transport });
      await client.createBucket("awkward");
    });
    afterAll(async () => {
      client.dispose();
      await server.stop();
    });

    it("are signed, sent and found as they stand", async () => {
      const characters = [
        ...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)),
        ..."é€🚰\u0301\u202E\uFEFF\u2028\u00A0",
        ...["..", "./", "//", "/../", "/./", "%2F", "%%", "+ ", "?x=y&", "&amp;", "://"],
      ];
      // The SDK, which writes, takes a key of nothing but white space for a missing one.
      const alone = characters.filter((text) => text.trim() !== "");
      const keys = [...characters.map((text) => `a${text}b`), ...alone];
      const at = (key: string) => client.file({ bucket: "awkward", key });
      for (const key of keys) await at(key).write(`content of ${key}`);
      for (const key of keys) {
        const what = JSON.stringify(key);
        assertEquals(new TextDecoder().decode(await at(key).bytes()), `content of ${key}`, what);
        assertEquals(await at(key).slice(0, 7).text(), "content", what);
      }
      const found = new Set<string>();
      for await (const result of client.getMany(keys.map(at))) {
        if ("error" in result) throw result.error;
        found.add(new TextDecoder().decode(result.bytes));
      }
      assertEquals(found, new Set(keys.map((key) => `content of ${key}`)));
      const listed = await client.list("s3://awkward/").toArray();
      assertEquals(
        listed.map((entry) => "key" in entry ? entry.key : "").sort(),
        [...new Set(keys)].sort(),
      );
    });
  });
}

/** One call of each kind. */
function reads(client: S3Client, bucket: FaultBucket): (() => Promise<unknown>)[] {
  const object = client.file(bucket.uri("object"));
  return [
    () => object.bytes(),
    () => object.slice(5, 10).bytes(),
    () => object.stream().getReader().read(),
    async () => {
      for await (const result of client.getMany([bucket.uri("many/0")])) {
        if ("error" in result) throw result.error;
      }
    },
    () => client.list(bucket.uri("")).toArray(),
  ];
}
