/**
 * Files of tables on a server: from the request to the sums of two columns in JavaScript. DuckDB reads
 * the same file from the local folder, and nodejs-polars does for text, as they read no S3 there. And
 * a table in memory, written to a local file.
 *
 * @module
 */
import { type BenchCase, type Column, type Contender, isPeer, peakColumn } from "./bench_case.ts";
import { BUCKET } from "./setup/objects.ts";
import { type TableName, TABLES, tablesFolder } from "./setup/tables.ts";

const DIPPER = "dipper table()";

const peer = (label: string, program: Contender["program"], role: Contender["role"]) => ({
  label,
  program,
  role,
});
const POLARS = peer("polars, Python", "polars", "peer");
const NODE_POLARS = peer("nodejs-polars", "nodejs-polars", "JavaScript peer");
const DUCKDB = peer("DuckDB, local file", "DuckDB", "JavaScript peer");

const cpu: Column = { head: "CPU s", of: ({ cpuSeconds }) => cpuSeconds, digits: 2 };
const milliseconds: Column = { head: "ms", of: ({ seconds }) => seconds * 1e3, digits: 0 };

function tableCase(
  name: string,
  key: TableName,
  times: number,
  rivals: Contender[],
): BenchCase {
  const { rows, columns } = TABLES[key];
  return {
    name: `tables ${name}`,
    server: "http",
    served: ["tiny", key],
    job: {
      case: "table",
      way: key.slice(key.indexOf(".") + 1),
      bucket: BUCKET,
      key,
      size: 0,
      count: rows,
      columns: [...columns],
      directory: tablesFolder,
      warmUp: "tiny",
    },
    contenders: [{ label: DIPPER, role: "dipper", program: "dipper" }, ...rivals],
    rate: {
      unit: "million rows/s",
      of: ({ operations, seconds }) => operations / 1e6 / seconds,
    },
    columns: [milliseconds, cpu, peakColumn],
    figures: (results) => [
      results.atLeast(`${key}: two columns`, times, DIPPER, results.best(isPeer)),
    ],
  };
}

const PARQUET = [
  POLARS,
  NODE_POLARS,
  DUCKDB,
  peer("hyparquet", "hyparquet", "JavaScript peer"),
  peer("parquet-wasm", "parquet-wasm", "JavaScript peer"),
];

/** Three million flights. */
export const tablesFlights: BenchCase = tableCase("flights", "flights.parquet", 1.2, PARQUET);
/** Six million items of TPC-H. */
export const tablesLineitem: BenchCase = tableCase("lineitem", "lineitem.parquet", 1.2, PARQUET);
/** The flights as text. */
export const tablesCsv: BenchCase = tableCase("csv", "flights.csv", 1, [
  POLARS,
  NODE_POLARS,
  DUCKDB,
]);
/** The flights as lines of JSON. */
export const tablesJson: BenchCase = tableCase("ndjson", "flights.ndjson", 1, [
  POLARS,
  NODE_POLARS,
  DUCKDB,
]);

/** The flights, which are in memory, as a local file of a format. Nothing is promised of that. */
function writeCase(format: string, rivals: Contender[]): BenchCase {
  const read = tableCase(`write ${format}`, "flights.parquet", 1, rivals);
  const [ours, ...others] = read.contenders;
  return {
    ...read,
    job: { ...read.job, case: "writeTable", way: format },
    contenders: [{ ...ours!, label: "dipper writeTable()" }, ...others],
    figures: () => [],
  };
}

const DUCKDB_WRITES = peer("DuckDB", "DuckDB", "JavaScript peer");
const WRITERS = [POLARS, NODE_POLARS, DUCKDB_WRITES];

/** Written as CSV. */
export const tablesWriteCsv: BenchCase = writeCase("csv", WRITERS);
/** Written as lines of JSON. */
export const tablesWriteJson: BenchCase = writeCase("ndjson", WRITERS);
/** Written as Parquet, with Snappy. */
export const tablesWriteParquet: BenchCase = writeCase("parquet", WRITERS);
/** Written as an Arrow file, which DuckDB does not write. */
export const tablesWriteArrow: BenchCase = writeCase("arrow", [POLARS, NODE_POLARS]);
