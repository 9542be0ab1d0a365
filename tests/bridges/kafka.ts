/** The real Kafka as tests use it: topics and records, made by Kafka's own clients. */

/** Where it is; `undefined` when there is none. The test runner starts it. */
export const broker: string | undefined = Deno.env.get("DIPPER_TEST_KAFKA_BROKER");

/** A record to be made. */
export interface KafkaRecord {
  value: string | null;
  key?: string;
  partition?: number;
  headers?: Record<string, string>;
}

/** How records are made. */
export interface Producing {
  compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  transaction?: "commit" | "abort";
}

/** A topic with a name of its own. */
export class Topic {
  private constructor(readonly name: string, readonly control: string) {}

  /** Makes a topic. */
  static async make(
    options: { partitions?: number; settings?: Record<string, string> } = {},
    control = Deno.env.get("DIPPER_TEST_KAFKA_CONTROL")!,
  ): Promise<Topic> {
    const topic = new Topic(`t-${crypto.randomUUID()}`, control);
    await topic.tell("topics", options);
    return topic;
  }

  /** Its URI. */
  get uri(): string {
    return `kafka://${broker}/${this.name}`;
  }

  /** Makes records, and gives their offsets. */
  async produce(records: (KafkaRecord | string)[], options: Producing = {}): Promise<number[]> {
    const made = records.map((record) => {
      const { value, key, headers, ...rest } = typeof record === "string"
        ? { value: record }
        : record;
      return {
        ...rest,
        value: value === null ? null : base64(value),
        ...(key !== undefined && { key: base64(key) }),
        ...(headers && {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, base64(text)]),
          ),
        }),
      };
    });
    return await this.tell("records", { records: made, ...options }) as number[];
  }

  /** Tells Kafka's clients, or the test's broker, to do something with the topic. */
  async tell(command: string, body: object = {}): Promise<unknown> {
    const init = { method: "POST", body: JSON.stringify({ topic: this.name, ...body }) };
    const answer = await fetch(`${this.control}/${command}`, init);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Kafka refuses: ${text}`);
    return JSON.parse(text);
  }
}

function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}
