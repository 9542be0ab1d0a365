/**
 * The Parquet files that Apache Spark is tested with, of many writers: Spark of several versions,
 * Impala, Thrift, protocol buffers. Maven fetches the jar that has them, once, into the build cache.
 *
 * @module
 */
import type { CommandOptions } from "./commands.ts";
import { mavenFiles } from "./maven.ts";
import { buildCachePath } from "./repository.ts";

const NAME = "spark-sql_2.13-3.5.3-tests.jar";
const ARTIFACT = "org.apache.spark:spark-sql_2.13:3.5.3:jar:tests";
const SHA256 = "72b26d949720f08752ce8f59fc48987948587f7ee7d79fe915e39a01a26bf55b";

/**
 * The path of the jar, whose folder `test-data` has them.
 *
 * @throws {Unavailable} when Maven is missing, or cannot fetch it.
 */
export async function sparkFiles(options: CommandOptions = {}): Promise<string> {
  const [jar] = await mavenFiles({
    title: "the Parquet files of Spark's tests",
    cost: "these are 25 MB",
    wanted: [[SHA256, NAME]],
    named: "tools/spark_files.ts",
    folder: buildCachePath("spark_files"),
    copy: ["copy", `-Dartifact=${ARTIFACT}`],
  }, options);
  return jar!;
}
