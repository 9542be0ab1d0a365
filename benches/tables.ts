/**
 * Files of tables on a server: from the request to the sums of two columns in JavaScript. DuckDB reads
 * the same file from the local folder, and nodejs-polars does for text, as they read no S3 there.
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
