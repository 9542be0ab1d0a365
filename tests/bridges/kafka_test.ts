/** Lines of topics, out of a real Kafka. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DipperError,
  frames,
  InvalidInputError,
  lines,
  memory,
  NetworkError,
  NotFoundError,
  PreconditionFailedError,
  S3Client,
} from "dipper";
import { startKafka } from "../../tools/test_servers/kafka.ts";
import { FFI, flagsIn, runOne } from "../permissions/child.ts";
import { settled } from "../memory/settled.ts";
import { broker, type Producing, Topic } from "./kafka.ts";

// Loads the library here: within a test it would count as a leak.
memory();

const END = { until: "end" } as const;
const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `record ${i}`);
const all = (source: string, options: object = END): Promise<string[]> =>
  Array.fromAsync(lines(source, options) as AsyncIterable<string>);

describe({
  name: "lines of a topic",
  ignore: broker === undefined,
  fn: () => {
    it("are its records' values, whatever is in them", async () => {
      const topic = await Topic.make();
      const values = ["plain", "", "two\nlines\n", "\r\n", "ünï ✓ 🦀", "x".repeat(100_000)];
      await topic.produce(values.map((value) => ({
        value,
        key: "key",
        headers: { header: "ignored", empty: "" },
      })));
      await topic.produce([{ value: null, key: "gone" }, "last"]);
      const expected = [...values, "last"];
      assertEquals(await all(topic.uri), expected);
      const batches = await Array.fromAsync(lines(topic.uri, { ...END, batch: true }));
      assertEquals(batches.flat(), expected);
      const bytes = await Array.fromAsync(lines(topic.uri, { ...END, as: "bytes" }));
      assertEquals(bytes.map((one) => new TextDecoder().decode(one)), expected);
    });

    it("come out of every compression", async () => {
      const values = numbered(3000).map((value) => `${value} `.repeat(7));
      for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
        const topic = await Topic.make();
        await topic.produce(values, { compression });
        const found = await all(topic.uri);
        assert(found.join() === values.join(), compression);
      }
    });

    it("are all records of all partitions, each in its order, or of one", async () => {
      const topic = await Topic.make({ partitions: 3 });
      const values = numbered(900);
      await topic.produce(values.map((value, at) => ({ value, partition: at % 3 })));
      const found = await all(topic.uri);
      assertEquals([...found].sort(), [...values].sort());
      for (const partition of [0, 1, 2]) {
        const own = values.filter((_, at) => at % 3 === partition);
        assertEquals(found.filter((value) => own.includes(value)), own);
        assertEquals(await all(topic.uri, { ...END, partition }), own);
      }
      const error = await assertRejects(() => all(topic.uri, { partition: 3 }), NotFoundError);
      assertStringIncludes(error.message, "3 partitions");
    });

    it("end after a limit, at the end, or never", async () => {
      const topic = await Topic.make();
      assertEquals(await all(topic.uri), []);
      await topic.produce(numbered(10));
      assertEquals(await all(topic.uri, { limit: 4 }), numbered(4));
      assertEquals(await all(topic.uri, { ...END, limit: 20 }), numbered(10));
      assertEquals(await all(topic.uri, { ...END, from: "latest" }), []);

      const found: string[] = [];
      for await (const line of lines(topic.uri)) {
        found.push(line);
        if (found.length === 10) await topic.produce(["later"]);
        if (line === "later") break;
      }
      assertEquals(found, [...numbered(10), "later"]);
    });

    it("from the latest are those that come", async () => {
      const topic = await Topic.make();
      await topic.produce(["before"]);
      const iterator = lines(topic.uri, { from: "latest" })[Symbol.asyncIterator]();
      const first = iterator.next();
      let over = false;
      first.finally(() => over = true);
      // Whether reading has begun nobody tells, so it is told again until something comes.
      while (!over) {
        await topic.produce(["after"]);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assertEquals(await first, { done: false, value: "after" });
      await iterator.return?.();
    });

    it("are only what is committed", async () => {
      const topic = await Topic.make();
      const produce = (value: string, options: Producing = {}) => topic.produce([value], options);
      await produce("1");
      await produce("aborted", { transaction: "abort" });
      await produce("2", { transaction: "commit" });
      await produce("aborted, too", { transaction: "abort" });
      await produce("3");
      assertEquals(await all(topic.uri), ["1", "2", "3"]);
      // An end that is a transaction's own record.
      await produce("4", { transaction: "commit" });
      assertEquals(await all(topic.uri), ["1", "2", "3", "4"]);
    });

    it("are read also when one is larger than an answer", async () => {
      const topic = await Topic.make({ settings: { "max.message.bytes": String(32 << 20) } });
      const large = "0123456789abcdef".repeat(6 << 16);
      await topic.produce(["before"]);
      await topic.produce([large]);
      await topic.produce(["behind"]);
      const found = await all(topic.uri);
      assertEquals(found.map((value) => value.length), [6, large.length, 6]);
      assert(found[1] === large);
      const limited = lines(topic.uri, { ...END, maxLineLength: 1000 });
      const error = await assertRejects(() => Array.fromAsync(limited), InvalidInputError);
      assertStringIncludes(error.message, String(large.length));
      assertStringIncludes(error.message, "partition 0");
    });

    it("begin at what retention has left", async () => {
      const topic = await Topic.make();
      await topic.produce(numbered(10));
      await topic.tell("trim", { before: 7 });
      assertEquals(await all(topic.uri), numbered(10).slice(7));
      // What is deleted while it waits to be read is told.
      const slow = await Topic.make({ settings: { "segment.bytes": String(1 << 20) } });
      await slow.tell("many", { count: 40_000, bytes: 1000 });
      const iterator = lines(slow.uri)[Symbol.asyncIterator]();
      assertEquals((await iterator.next()).done, false);
      await slow.tell("trim", { before: 40_000 });
      const error = await assertRejects(async () => {
        while (!(await iterator.next()).done);
      }, PreconditionFailedError);
      assertStringIncludes(error.message, "no longer holds offset");
    });

    it("are not of a topic that does not exist, and make none", async () => {
      const error = await assertRejects(
        () => all(`kafka://${broker}/no-such-topic`),
        NotFoundError,
      );
      assertStringIncludes(error.message, "no-such-topic");
      assertEquals(error.operation, "lines");
      assertEquals(error.uri, `kafka://${broker}/no-such-topic`);
      const topic = await Topic.make();
      const topics = await topic.tell("list") as string[];
      assert(topics.includes(topic.name) && !topics.includes("no-such-topic"));
    });

    it("leave nothing behind when they are left or stopped", async () => {
      const topic = await Topic.make({ partitions: 2 });
      await topic.tell("many", { count: 20_000, bytes: 200, partitions: 2 });
      for (const at of [1, 2, 4999, 10_000]) {
        let count = 0;
        for await (const _ of lines(topic.uri)) if (++count === at) break;
        assertEquals(count, at);
      }
      const reason = new Error("enough");
      const controller = new AbortController();
      const waiting = assertRejects(async () => {
        let count = 0;
        for await (const _ of lines(topic.uri, { signal: controller.signal })) {
          if (++count === 20_000) setTimeout(() => controller.abort(reason), 50);
        }
      });
      assertEquals(await waiting, reason);
      await settled();
    });

    it("fail soon where nobody listens", async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const { port } = listener.addr;
      listener.close();
      await assertRejects(() => all(`kafka://127.0.0.1:${port}/t`), NetworkError);
    });

    it("are not read from a listener with SASL, and that is said", async () => {
      const sasl = Deno.env.get("DIPPER_TEST_KAFKA_SASL");
      const error = await assertRejects(() => all(`kafka://${sasl}/t`), DipperError);
      assertStringIncludes(`${error.message} ${error.hint}`, "SASL");
    });

    it("need the permission for the hosts that the cluster names", async () => {
      const topic = await Topic.make();
      await topic.produce(["one"]);
      const proxied = Deno.env.get("DIPPER_TEST_KAFKA_PROXIED")!;
      const proxy = Deno.env.get("DIPPER_TEST_KAFKA_PROXY")!;
      const read = (at: string, ...nets: string[]) =>
        runOne(
          `await tell(() =>
            Array.fromAsync(dipper.lines("kafka://${at}/${topic.name}", { until: "end" }))
          );`,
          { flags: [FFI, ...nets.map((net) => `--allow-net=${net}`)] },
        );
      assertEquals((await read(broker!, broker!)).ok, ["one"]);
      const none = await read(broker!);
      assertEquals(none.name, "PermissionError");
      assertEquals(flagsIn(none), [`--allow-net=${broker}`]);
      // The broker that is named is granted, the one that it names is not.
      const refused = await read(proxied, proxied);
      assertEquals(refused.name, "PermissionError");
      assertStringIncludes(`${refused.message} ${refused.hint}`, `--allow-net=${proxy}`);
    });

    it("go on where they were when connections break", async () => {
      const topic = await Topic.make();
      await topic.tell("many", { count: 30_000, bytes: 500 });
      const proxied = Deno.env.get("DIPPER_TEST_KAFKA_PROXIED")!;
      const proxy = new BreakingProxy(Deno.env.get("DIPPER_TEST_KAFKA_PROXY")!, proxied, 5_000_000);
      try {
        let next = 0;
        for await (const line of lines(`kafka://${proxied}/${topic.name}`, END)) {
          assertEquals(line.slice(0, line.indexOf(" ")), String(next++));
        }
        assertEquals(next, 30_000);
        assert(proxy.broken > 1);
      } finally {
        await proxy.close();
      }
    });

    it("survive a broker that is killed and comes back, and end when it does not", async () => {
      const first = await startKafka();
      try {
        const control = first.environment["DIPPER_TEST_KAFKA_CONTROL"]!;
        const topic = await Topic.make({}, control);
        await topic.produce(["one"]);
        const place = first.environment["DIPPER_TEST_KAFKA_BROKER"]!;
        const uri = `kafka://${place}/${topic.name}`;
        using patient = new S3Client({ stallTimeout: 300_000 });
        using hasty = new S3Client({ stallTimeout: 1_000 });
        const surviving = patient.lines(uri)[Symbol.asyncIterator]();
        const ending = hasty.lines(uri)[Symbol.asyncIterator]();
        assertEquals((await surviving.next()).value, "one");
        assertEquals((await ending.next()).value, "one");
        const [next, failed] = [surviving.next(), assertRejects(() => ending.next(), DipperError)];
        await assertRejects(() => topic.tell("kill"));
        const error = await failed;
        assert(["NetworkError", "TimeoutError"].includes(error.name), error.message);
        await using second = await startKafka({ after: first });
        const again = second.environment["DIPPER_TEST_KAFKA_CONTROL"]!;
        const made = { topic: topic.name, records: [{ value: btoa("two") }] };
        const answer = await fetch(`${again}/records`, {
          method: "POST",
          body: JSON.stringify(made),
        });
        assert(answer.ok, await answer.text());
        assertEquals((await next).value, "two");
        await surviving.return?.();
      } finally {
        await first[Symbol.asyncDispose]();
      }
    });
  },
});

describe("the URI of a topic", () => {
  const refused = (uri: string, options: object = {}): string => {
    const error = assertThrows(() => lines(uri, options), InvalidInputError);
    return `${error.message} ${error.hint}`;
  };

  it("is refused when it is written wrongly, before anything is sent", () => {
    for (
      const uri of [
        "kafka:",
        "kafka://",
        "kafka://h:1",
        "kafka://h:1/",
        "kafka:///t",
        "kafka://h:0/t",
        "kafka://h:65536/t",
        "kafka://h:1/a/b",
        "kafka://h:1/t?from=latest",
        "kafka://h:1/t#f",
        "kafka://h:1/a%20b",
        "kafka://h:1/..",
        `kafka://h:1/${"t".repeat(250)}`,
        "kafka://h:1/ü",
        "kafka://h h:1/t",
        "kafka://a:1,b:2/t",
      ]
    ) assertStringIncludes(refused(uri), "kafka:");
  });

  it("has no credentials, and none are shown", () => {
    const said = refused("kafka://user:hunter2@h:1/t");
    assertStringIncludes(said, "credentials");
    assert(!said.includes("hunter2"));
  });

  it("is none for messages, and has options of its own", () => {
    assertThrows(() => frames("kafka://h:1/t", { length: "u32be" }), InvalidInputError);
    assertStringIncludes(refused("kafka://h:1/t", { from: "middle" }), "from");
    assertStringIncludes(refused("kafka://h:1/t", { until: "later" }), "until");
    assertStringIncludes(refused("kafka://h:1/t", { limit: 0 }), "limit");
    assertStringIncludes(refused("kafka://h:1/t", { partition: -1 }), "partition");
    assertStringIncludes(refused("kafka://h:1/t", { compression: "gzip" }), "not for topics");
    assertStringIncludes(refused("/some/path", { limit: 5 }), "topics only");
  });
});

/** A proxy that ends each connection after so many bytes. */
class BreakingProxy {
  broken = 0;
  readonly #listener: Deno.Listener;
  readonly #serving: Promise<void>;
  readonly #open = new Set<Promise<void>>();

  constructor(at: string, before: string, bytes: number) {
    const [hostname, port] = at.split(":");
    this.#listener = Deno.listen({ hostname: hostname!, port: Number(port) });
    this.#serving = this.#serve(before, bytes);
  }

  async #serve(before: string, bytes: number): Promise<void> {
    const [hostname, port] = before.split(":");
    for await (const near of this.#listener) {
      const connection = (async () => {
        const far = await Deno.connect({ hostname: hostname!, port: Number(port) });
        const up = pass(near, far, Infinity);
        const down = pass(far, near, bytes);
        down.then((broken) => this.broken += broken ? 1 : 0);
        // The end of one way is the end of both.
        await Promise.race([up, down]);
        for (const socket of [near, far]) socket.close();
        await Promise.all([up, down]);
      })();
      this.#open.add(connection);
      connection.finally(() => this.#open.delete(connection));
    }
  }

  async close(): Promise<void> {
    this.#listener.close();
    await this.#serving;
    await Promise.all(this.#open);
  }
}

/** Copies until one side ends, or so many bytes have passed: then it is true. */
async function pass(from: Deno.Conn, to: Deno.Conn, most: number): Promise<boolean> {
  const room = new Uint8Array(64 * 1024);
  let passed = 0;
  try {
    while (passed < most) {
      const read = await from.read(room);
      if (read === null) return false;
      for (let at = 0; at < read;) at += await to.write(room.subarray(at, read));
      passed += read;
    }
    return true;
  } catch {
    return false;
  }
}
