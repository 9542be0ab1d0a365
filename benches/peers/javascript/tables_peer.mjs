/**
 * Other readers of tables: two columns of a file, summed in JavaScript; and writers, of a table in
 * memory to a local file. The job says which library, in `library`.
 *
 * @module
 */
import process from "node:process";
import { measure, report } from "./meter.ts";

const job = JSON.parse(process.argv[2]);
const url = `${job.endpoint}/${job.bucket}/${job.key}`;
const path = `${job.directory}/${job.key}`;
const package_ = (name) => import(process.env[`BENCH_${name}`]);

/** The sum of a column that comes in pieces; big integers become numbers, as a program adds them. */
function sumOf(pieces) {
  let sum = 0;
  let rows = 0;
  for (const values of pieces) {
    rows += values.length;
    for (let at = 0; at < values.length; at++) sum += Number(values[at]);
  }
  return { sum, rows };
}

const libraries = {
  async hyparquet() {
    const { asyncBufferFromUrl, cachedAsyncBuffer, parquetRead } = await package_("HYPARQUET");
    const { compressors } = await package_("HYPARQUET_COMPRESSORS");
    return async () => {
      const file = cachedAsyncBuffer(await asyncBufferFromUrl({ url }));
      const pieces = new Map(job.columns.map((name) => [name, []]));
      await parquetRead({
        file,
        columns: job.columns,
        compressors,
        onChunk: ({ columnName, columnData }) => pieces.get(columnName).push(columnData),
      });
      return job.columns.map((name) => sumOf(pieces.get(name)));
    };
  },
  async "parquet-wasm"() {
    const wasm = await package_("PARQUET_WASM");
    const { readFileSync } = await import("node:fs");
    await wasm.default({ module_or_path: readFileSync(process.env.BENCH_PARQUET_WASM_FILE) });
    const { tableFromIPC } = await package_("FLECHETTE");
    return async () => {
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
      const read = wasm.readParquet(bytes, { columns: job.columns });
      const table = tableFromIPC(read.intoIPCStream());
      return job.columns.map((name) => sumOf(table.getChild(name).data.map((one) => one.values)));
    };
  },
  async "nodejs-polars"() {
    const polars = (await package_("NODEJS_POLARS")).default;
    const cloud = {
      aws_endpoint_url: job.endpoint,
      aws_region: "us-east-1",
      aws_access_key_id: job.accessKeyId,
      aws_secret_access_key: job.secretAccessKey,
      aws_allow_http: "true",
    };
    return async () => {
      // Of the others it reads local files only.
      const scanned = job.way === "parquet"
        ? polars.scanParquet(`s3://${job.bucket}/${job.key}`, {
          cloudOptions: cloud,
        })
        : job.way === "csv"
        ? polars.scanCSV(path)
        : polars.scanJson(path);
      const table = await scanned.select(...job.columns).collect();
      return job.columns.map((name) => {
        const column = table.getColumn(name).cast(polars.Float64);
        return { sum: column.sum(), rows: column.length };
      });
    };
  },
  async duckdb() {
    const { DuckDBInstance } = await package_("DUCKDB");
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const read = { parquet: "read_parquet", csv: "read_csv", ndjson: "read_json" }[job.way];
    const wanted = job.columns.map((name) => `${name}::DOUBLE AS ${name}`).join(", ");
    return async () => {
      const result = await connection.stream(`SELECT ${wanted} FROM ${read}('${path}')`);
      const sums = job.columns.map(() => ({ sum: 0, rows: 0 }));
      for (;;) {
        const chunk = await result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) return sums;
        job.columns.forEach((_, index) => {
          const { items } = chunk.getColumnVector(index);
          let sum = 0;
          for (let at = 0; at < items.length; at++) sum += items[at];
          sums[index].sum += sum;
          sums[index].rows += chunk.rowCount;
        });
      }
    };
  },
};

/** Where a writer writes. */
const written = `${job.directory}/${job.library}.${job.way}`;

const writers = {
  async "nodejs-polars"() {
    const polars = (await package_("NODEJS_POLARS")).default;
    const table = polars.readParquet(path);
    const ways = {
      csv: () => table.writeCSV(written),
      ndjson: () => table.writeJSON(written, { format: "lines" }),
      parquet: () => table.writeParquet(written, { compression: "snappy" }),
      arrow: () => table.writeIPC(written),
    };
    return ways[job.way];
  },
  async duckdb() {
    const { DuckDBInstance } = await package_("DUCKDB");
    const connection = await (await DuckDBInstance.create(":memory:")).connect();
    await connection.run(`CREATE TABLE held AS SELECT * FROM read_parquet('${path}')`);
    const format = { csv: "csv", ndjson: "json", parquet: "parquet" }[job.way];
    return () => connection.run(`COPY held TO '${written}' (FORMAT ${format})`);
  },
};

if (job.case === "writeTable") {
  const write = await writers[job.library]();
  report(
    await measure(async () => {
      await write();
      return { bytes: Deno.statSync(written).size, operations: job.count };
    }),
  );
  Deno.removeSync(written);
  Deno.exit(0);
}

const work = await libraries[job.library]();
report(
  await measure(async () => {
    const sums = await work();
    for (const { sum, rows } of sums) {
      if (rows !== job.count || !sum) throw new Error(`${rows} rows, sum ${sum}`);
    }
    return { bytes: job.size, operations: job.count };
  }),
);
Deno.exit(0);
