/**
 * The tables that the bench reads: three million flights of `vega-datasets`, which are real, and
 * `lineitem` of TPC-H at scale 1, which `tpchgen-cli` makes. They are made once and kept.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { exists, run, Unavailable } from "../../tools/commands.ts";
import { virtualEnvironment } from "../../tools/python_environment.ts";
import { cachePath, root } from "../../tools/repository.ts";
import { sampleDirectory } from "../../tools/sample_data.ts";

/** The tables, by their keys: how many rows, and which columns are summed. */
export const TABLES = {
  "flights.parquet": { rows: 3_000_000, columns: ["delay", "distance"] },
  "flights.csv": { rows: 3_000_000, columns: ["delay", "distance"] },
  "flights.ndjson": { rows: 3_000_000, columns: ["delay", "distance"] },
  "lineitem.parquet": { rows: 6_001_215, columns: ["l_partkey", "l_suppkey"] },
} as const;

/** The key of a table. */
export type TableName = keyof typeof TABLES;

/** Whether a key is that of a table. */
export function isTable(key: string): key is TableName {
  return Object.hasOwn(TABLES, key);
}

/** Where the tables lie. */
export const tablesFolder: string = cachePath("bench", "tables");

const python = join(root, "benches", "peers", "python");

/**
 * The path of a table, made if it is not there.
 *
 * @throws {Unavailable} when it cannot be made.
 */
export async function tableFile(name: TableName): Promise<string> {
  const path = join(tablesFolder, name);
  if (await Deno.stat(path).then(() => true, () => false)) return path;
  await Deno.mkdir(tablesFolder, { recursive: true });
  if (name === "flights.parquet") {
    await Deno.copyFile(join(sampleDirectory(), "flights-3m.parquet"), path);
  } else if (name === "lineitem.parquet") await generate(path);
  else await convert(await tableFile("flights.parquet"), path);
  return path;
}

async function generate(path: string): Promise<void> {
  const found = await virtualEnvironment(
    cachePath("bench", "tpchgen"),
    join(python, "tpchgen.txt"),
  );
  const program = join(dirname(found), "tpchgen-cli");
  const folder = await Deno.makeTempDir({ dir: tablesFolder });
  const args = ["parquet", "-s", "1", "--tables=lineitem", `--output-dir=${folder}`];
  if (!await exists(program, "--version") || !(await run(program, args)).success) {
    throw new Unavailable("tpchgen-cli cannot make lineitem.parquet; see above");
  }
  await Deno.rename(join(folder, "lineitem.parquet"), path);
  await Deno.remove(folder, { recursive: true });
}

/** The same rows as text, written by polars. */
async function convert(from: string, to: string): Promise<void> {
  const found = await virtualEnvironment(
    cachePath("bench", "venv"),
    join(python, "requirements.txt"),
  );
  const program = `
import sys, polars
table = polars.read_parquet(sys.argv[1])
table.write_csv(sys.argv[2]) if sys.argv[2].endswith(".csv") else table.write_ndjson(sys.argv[2])
`;
  const partial = `${to}.partial`;
  const args = ["-c", program, from, to.endsWith(".csv") ? `${partial}.csv` : partial];
  if (!(await run(found, args)).success) {
    throw new Unavailable(`polars cannot make ${to}; see above`);
  }
  await Deno.rename(args.at(-1)!, to);
}
