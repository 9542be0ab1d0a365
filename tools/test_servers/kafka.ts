/**
 * A real Kafka (KRaft, one process) on 127.0.0.1 and free ports, over a folder that is removed with it.
 *
 * Maven fetches it once into the build cache. What comes is compared with `kafka/jars.sha256`; who
 * changes the version in `kafka/pom.xml` makes that list anew with `sha256sum *.jar`.
 * `kafka/KafkaForTests.java` is the program: broker, and Kafka's own producer behind a small service.
 *
 * @module
 */
import { delimiter, join } from "node:path";
import { type CommandOptions, exists, Unavailable } from "../commands.ts";
import { mavenFiles, sha256 } from "../maven.ts";
import { buildCachePath, root } from "../repository.ts";
import { startProgram, type TestServer } from "./test_server.ts";

const home = join(root, "tools", "test_servers", "kafka");

/** How to run it. */
export interface KafkaOptions extends CommandOptions {
  /** One that ended, whose data and ports it takes over. */
  after?: Kafka;
}

/** The running broker. */
export interface Kafka extends TestServer {
  /** What the program was told: its folder, then its ports. */
  place: string[];
}

/**
 * Starts the broker, fetched first if it is not there.
 *
 * @throws {Unavailable} when Java or Maven is missing, or Maven cannot fetch it.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const jars = await kafkaJars(options);
  if (options.after !== undefined) return await start(jars, options.after.place, options);
  // Between asking for free ports and using them, another program may take one.
  for (let attempt = 1;; attempt++) {
    const folder = await Deno.makeTempDir({ prefix: "dipper-kafka-" });
    try {
      return await start(jars, [folder, ...freePorts(5).map(String)], options);
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      if (attempt === 3 || options.signal?.aborted) throw error;
    }
  }
}

async function start(jars: string[], place: string[], options: CommandOptions): Promise<Kafka> {
  const program = await startProgram("java", [
    // Small and soon there: it serves one test run.
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    jars.join(delimiter),
    join(home, "KafkaForTests.java"),
    ...place,
  ], options);
  const { broker, proxied, proxy, sasl, control } = program.ready;
  if (!broker || !proxied || !proxy || !sasl || !control) {
    await program[Symbol.asyncDispose]();
    throw new Error(`KafkaForTests names only ${Object.keys(program.ready).join(", ")}`);
  }
  return {
    place,
    environment: {
      DIPPER_TEST_KAFKA_BROKER: broker,
      DIPPER_TEST_KAFKA_PROXIED: proxied,
      DIPPER_TEST_KAFKA_PROXY: proxy,
      DIPPER_TEST_KAFKA_SASL: sasl,
      DIPPER_TEST_KAFKA_CONTROL: control,
    },
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
      // Twice is harmless: one that took over shares the folder.
      await Deno.remove(place[0]!, { recursive: true }).catch(() => {});
    },
  };
}

/** The paths of Kafka's jars, fetched if they are not there as they shall be. */
async function kafkaJars(options: CommandOptions): Promise<string[]> {
  if (!await exists("javac", "--version")) {
    throw new Unavailable("Kafka needs a Java development kit, version 17 or newer, on PATH");
  }
  const list = await Deno.readTextFile(join(home, "jars.sha256"));
  const wanted = list.trim().split("\n").map((line) => line.split(/\s+/) as [string, string]);
  const sum = await sha256(new TextEncoder().encode(list));
  return await mavenFiles({
    title: "Kafka",
    cost: "this takes about half a minute",
    wanted,
    named: "tools/test_servers/kafka/jars.sha256",
    folder: buildCachePath("kafka", sum.slice(0, 16)),
    copy: ["copy-dependencies", `--file=${join(home, "pom.xml")}`, "-DincludeScope=runtime"],
  }, options);
}

function freePorts(count: number): number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}
