/**
 * The Parquet files that Apache Spark is tested with, of many writers: Spark of several versions,
 * Impala, Thrift, protocol buffers. Maven fetches the jar that has them, once, into the build cache.
 *
 * @module
 */
import { join } from "node:path";
import { type CommandOptions, exists, run, say, Unavailable } from "./commands.ts";
import { buildCachePath } from "./repository.ts";

const NAME = "spark-sql_2.13-3.5.3-tests.jar";
const ARTIFACT = "org.apache.spark:spark-sql_2.13:3.5.3:jar:tests";
const SHA256 = "72b26d949720f08752ce8f59fc48987948587f7ee7d79fe915e39a01a26bf55b";
const COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/**
 * The path of the jar, whose folder `test-data` has them.
 *
 * @throws {Unavailable} when Maven is missing, or cannot fetch it.
 */
export async function sparkFiles({ signal }: CommandOptions = {}): Promise<string> {
  const folder = buildCachePath("spark_files");
  const jar = join(folder, NAME);
  if (await isWhole(jar)) return jar;
  if (!await exists("mvn", "--version")) {
    throw new Unavailable("the Parquet files of Spark's tests are fetched by Maven: install mvn");
  }
  say("Fetching the Parquet files of Spark's tests, 25 MB, once.");
  await using undo = new AsyncDisposableStack();
  const work = await Deno.makeTempDir({ prefix: "dipper-maven-" });
  undo.defer(() => Deno.remove(work, { recursive: true }));
  const { success } = await run("mvn", [
    "--quiet",
    "--batch-mode",
    // The user's own repository stays as it is.
    `-Dmaven.repo.local=${join(work, "repository")}`,
    COPY,
    `-Dartifact=${ARTIFACT}`,
    `-DoutputDirectory=${work}`,
  ], { signal });
  if (!success) throw new Unavailable("Maven cannot fetch Spark's files; see above");
  if (!await isWhole(join(work, NAME))) {
    throw new Error("what Maven fetched is not what tools/spark_files.ts names");
  }
  await Deno.mkdir(folder, { recursive: true });
  await Deno.copyFile(join(work, NAME), jar);
  return jar;
}

async function isWhole(path: string): Promise<boolean> {
  const bytes = await Deno.readFile(path).catch(() => undefined);
  if (bytes === undefined) return false;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex() === SHA256;
}
