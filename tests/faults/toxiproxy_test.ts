// A spoiled network before the embedded server: slow, thin, cut, sliced, silent, down. Downloads,
// streams and lists end with the exact bytes or a typed error, on both transports.

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import {
  DipperError,
  LocalS3,
  memory,
  NetworkError,
  type S3Client,
  type S3ClientOptions,
  TimeoutError,
} from "dipper";
import { settled } from "../memory/settled.ts";
import { assertSameBytes, pattern } from "../storage/bytes.ts";
import { within } from "../storage/scripted_server.ts";
import { TRANSPORTS } from "./operations.ts";
import { Proxy, type Toxic, toxiproxy } from "./toxiproxy.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DEADLINE = 90_000;
const STALL = 300;
const PART = 128 * 1024;
const SIZE = 8 * PART + 1;
const data = pattern(SIZE, 3);
const numbers = Int32Array.from({ length: SIZE / 4 }, (_, row) => Math.imul(row, 0x9e3779b1));
const KEYS = Array.from({ length: 1500 }, (_, index) => `small/${String(index).padStart(4, "0")}`);

/** Every read, of data that is known. */
const READS: Record<string, (client: S3Client) => Promise<void>> = {
  async download(client) {
    assertSameBytes(await client.file("s3://bucket/large").bytes(), data);
  },
  async range(client) {
    const part = client.file("s3://bucket/large").slice(1000, SIZE - 1000);
    assertSameBytes(await part.bytes(), data.subarray(1000, SIZE - 1000));
  },
  async stream(client) {
    let length = 0;
    for await (const chunk of client.file("s3://bucket/large").stream()) {
      assertSameBytes(chunk, data.subarray(length, length + chunk.length), `from ${length} on`);
      length += chunk.length;
    }
    assertEquals(length, SIZE);
  },
  async getMany(client) {
    const uris = KEYS.slice(0, 16).map((key) => `s3://bucket/${key}`);
    const failed: unknown[] = [];
    const found = new Set<string>();
    for await (const result of client.getMany(uris)) {
      if ("error" in result) failed.push(result.error);
      else assertEquals(`s3://bucket/${new TextDecoder().decode(result.bytes)}`, result.uri);
      found.add(result.uri);
    }
    assertEquals(found, new Set(uris));
    if (failed.length > 0) throw failed[0];
  },
  async table(client) {
    const table = await client.file("s3://bucket/table.parquet").table();
    assertEquals(table.getChild("number").toArray(), numbers);
  },
  async list(client) {
    const keys: string[] = [];
    for await (const entry of client.list("s3://bucket/small/")) {
      if ("key" in entry) keys.push(entry.key);
    }
    assertEquals(keys, KEYS);
  },
};

interface Spoiled {
  name: string;
  toxics: Toxic[];
  options?: S3ClientOptions;
  /** Without one of these codes, the exact data must come. */
  errors?: string[];
}

const SPOILED: Spoiled[] = [
  { name: "latency", toxics: [{ type: "latency", attributes: { latency: 60, jitter: 40 } }] },
  { name: "a thin line", toxics: [{ type: "bandwidth", attributes: { rate: 3000 } }] },
  {
    name: "slices of a few bytes",
    toxics: [{
      type: "slicer",
      attributes: { average_size: 4000, size_variation: 3000, delay: 100 },
    }],
  },
  {
    name: "connections that end after 300,000 bytes",
    toxics: [{ type: "limit_data", attributes: { bytes: 300_000 } }],
    options: { retries: 20 },
  },
  {
    name: "connections that end after 100 bytes",
    toxics: [{ type: "limit_data", attributes: { bytes: 100 } }],
    errors: ["ConnectionFailed", "ConnectionBroken"],
  },
  {
    name: "connections that are reset at once",
    toxics: [{ type: "reset_peer", attributes: { timeout: 0 } }],
    errors: ["ConnectionFailed", "ConnectionBroken"],
  },
  {
    name: "connections that are reset on their way",
    toxics: [
      { type: "reset_peer", attributes: { timeout: 20 } },
      { type: "bandwidth", attributes: { rate: 2000 } },
    ],
    errors: ["ConnectionFailed", "ConnectionBroken"],
  },
  {
    name: "a line on which nothing comes back",
    toxics: [{ type: "timeout", attributes: { timeout: 0 } }],
    errors: ["Timeout", "Stalled"],
  },
  {
    name: "a line on which nothing comes back before it ends",
    toxics: [{ type: "timeout", attributes: { timeout: 100 } }],
    errors: ["ConnectionFailed", "ConnectionBroken"],
  },
  {
    name: "requests that arrive slowly and broken up",
    toxics: [{
      type: "slicer",
      stream: "upstream",
      attributes: { average_size: 50, size_variation: 20, delay: 1000 },
    }],
  },
];

for (const transport of TRANSPORTS) {
  describe(`behind toxiproxy, ${transport}`, { ignore: toxiproxy === undefined }, () => {
    let server: LocalS3;
    const connect = (proxy: Proxy, options: S3ClientOptions = {}) =>
      server.client({
        endpoint: proxy.endpoint,
        transport,
        partSize: PART,
        connections: 4,
        stallTimeout: STALL,
        retries: 2,
        ...options,
      });

    beforeAll(async () => {
      server = await LocalS3.start();
      using client = server.client();
      await client.createBucket("bucket");
      await client.file("s3://bucket/large").write(data);
      await client.writeTable("s3://bucket/table.parquet", { number: numbers });
      for (let at = 0; at < KEYS.length; at += 100) {
        await Promise.all(
          KEYS.slice(at, at + 100).map((key) => client.file(`s3://bucket/${key}`).write(key)),
        );
      }
    });
    afterAll(() => server.stop());

    for (const { name, toxics, options, errors } of SPOILED) {
      it(name, async () => {
        await settled("an earlier test left nothing");
        const outcomes = await Promise.all(
          Object.entries(READS).map(async ([read, run]) => {
            await using proxy = await Proxy.before(server.endpoint);
            for (const toxic of toxics) await proxy.add(toxic);
            using client = connect(proxy, options);
            const reason = await within(DEADLINE, run(client)).then(() => undefined, (why) => why);
            if (reason !== undefined && !(reason instanceof DipperError)) {
              throw new Error(`${read}: ${Deno.inspect(reason)}`);
            }
            return [read, reason?.code] as const;
          }),
        );
        for (const [read, code] of outcomes) {
          if (errors === undefined) assertEquals(code, undefined, read);
          // What ends early enough may still come whole.
          else assert(code === undefined || errors.includes(code), `${read}: ${code}`);
        }
        if (errors !== undefined) {
          assert(outcomes.some(([, code]) => code !== undefined), "nothing was spoiled");
        }
        await settled();
      });
    }

    it("that goes down and comes back", async () => {
      await using proxy = await Proxy.before(server.endpoint);
      using client = connect(proxy, { retries: 0 });
      const { download, list } = READS as Required<typeof READS>;
      await within(DEADLINE, download!(client));
      await proxy.set(false);
      for (const run of Object.values(READS)) {
        const reason = await within(DEADLINE, run(client)).then(() => undefined, (why) => why);
        assertInstanceOf(reason, NetworkError);
        assert(["ConnectionFailed", "ConnectionBroken"].includes(reason.code), reason.code);
      }
      await proxy.set(true);
      await within(DEADLINE, download!(client));
      await within(DEADLINE, list!(client));
    });

    it("that goes down in the middle and comes back is survived by retries", async () => {
      await using proxy = await Proxy.before(server.endpoint);
      await proxy.add({ type: "bandwidth", attributes: { rate: 1500 } });
      using client = connect(proxy, { retries: 8 });
      const reading = within(DEADLINE, READS["download"]!(client));
      await new Promise((resolve) => setTimeout(resolve, 150));
      await proxy.set(false);
      await new Promise((resolve) => setTimeout(resolve, 150));
      await proxy.set(true);
      await reading;
    });

    it("that becomes silent in the middle is a TimeoutError", async () => {
      await using proxy = await Proxy.before(server.endpoint);
      await proxy.add({ type: "bandwidth", attributes: { rate: 1500 } });
      using client = connect(proxy, { retries: 1 });
      const reading = within(DEADLINE, READS["download"]!(client)).then(
        () => undefined,
        (why) => why,
      );
      await new Promise((resolve) => setTimeout(resolve, 150));
      await proxy.add({ type: "timeout", attributes: { timeout: 0 } });
      assertInstanceOf(await reading, TimeoutError);
    });
  });
}
