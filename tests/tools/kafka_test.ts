/** The real Kafka of the tests: it answers Kafka's own client, and leaves nothing behind. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { startKafka } from "../../tools/test_servers/kafka.ts";

describe({
  name: "tools/test_servers/kafka.ts",
  ignore: Deno.env.get("DIPPER_TEST_KAFKA_BROKER") === undefined,
  fn: () => {
    it("takes records, survives kill -9, and leaves no process and no folder behind", async () => {
      const first = await startKafka();
      try {
        assert((await Deno.stat(first.place[0]!)).isDirectory);
        const produce = { topic: "t", records: [{ value: btoa("one") }, { value: null }] };
        assertEquals(await tell(first.environment, "topics", { topic: "t" }), {});
        assertEquals(await tell(first.environment, "records", produce), [0, 1]);
        await assertRejects(() => tell(first.environment, "kill", {}));

        await using second = await startKafka({ after: first });
        assertEquals(
          second.environment["DIPPER_TEST_KAFKA_BROKER"],
          first.environment["DIPPER_TEST_KAFKA_BROKER"],
        );
        assertEquals(await tell(second.environment, "list", {}), ["t"]);
        const refused = await assertRejects(
          () => tell(second.environment, "topics", { topic: "t" }),
          Error,
        );
        assertStringIncludes(refused.message, "TopicExistsException");
      } finally {
        await first[Symbol.asyncDispose]();
      }
      await assertRejects(() => Deno.stat(first.place[0]!), Deno.errors.NotFound);
      const [host, port] = first.environment["DIPPER_TEST_KAFKA_BROKER"]!.split(":");
      await assertRejects(() => Deno.connect({ hostname: host!, port: Number(port) }));
    });
  },
});

async function tell(
  environment: Record<string, string>,
  command: string,
  body: unknown,
): Promise<unknown> {
  const control = environment["DIPPER_TEST_KAFKA_CONTROL"];
  const init = { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(`${control}/${command}`, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return JSON.parse(text);
}
