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
import { type CommandOptions, exists, run, say, Unavailable } from "../commands.ts";
import { buildCachePath, root } from "../repository.ts";
import { startProgram, type TestServer } from "./test_server.ts";

const home = join(root, "tools", "test_servers", "kafka");
const FETCH = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

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
async function kafkaJars({ signal }: CommandOptions): Promise<string[]> {
  if (!await exists("javac", "--version")) {
    throw new Unavailable("Kafka needs a Java development kit, version 17 or newer, on PATH");
  }
  const list = await Deno.readTextFile(join(home, "jars.sha256"));
  const wanted = list.trim().split("\n").map((line) => line.split(/\s+/) as [string, string]);
  const folder = buildCachePath(
    "kafka",
    (await digest(new TextEncoder().encode(list))).slice(0, 16),
  );
  if (!await isWhole(folder, wanted)) {
    if (!await exists("mvn", "--version")) {
      throw new Unavailable("Kafka is fetched by Maven: install mvn");
    }
    say("Fetching Kafka; this takes about half a minute, once.");
    await using undo = new AsyncDisposableStack();
    const work = await Deno.makeTempDir({ prefix: "dipper-maven-" });
    undo.defer(() => Deno.remove(work, { recursive: true }));
    const { success } = await run("mvn", [
      "--quiet",
      "--batch-mode",
      `--file=${join(home, "pom.xml")}`,
      // The user's own repository stays as it is.
      `-Dmaven.repo.local=${join(work, "repository")}`,
      FETCH,
      "-DincludeScope=runtime",
      `-DoutputDirectory=${join(work, "jars")}`,
    ], { signal });
    if (!success) throw new Unavailable("Maven cannot fetch Kafka; see above");
    if (!await isWhole(join(work, "jars"), wanted)) {
      throw new Error("what Maven fetched is not what tools/test_servers/kafka/jars.sha256 names");
    }
    await Deno.mkdir(folder, { recursive: true });
    for (const [, name] of wanted) {
      await Deno.copyFile(join(work, "jars", name), join(folder, name));
    }
  }
  return wanted.map(([, name]) => join(folder, name));
}

/** Whether all jars are there and are the right ones. */
async function isWhole(folder: string, wanted: [sum: string, name: string][]): Promise<boolean> {
  for (const [sum, name] of wanted) {
    const bytes = await Deno.readFile(join(folder, name)).catch(() => undefined);
    if (bytes === undefined || await digest(bytes) !== sum) return false;
  }
  return true;
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
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
