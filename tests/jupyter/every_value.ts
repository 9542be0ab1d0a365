/**
 * Every class and result that the last line of a cell may be, as code: run outside of a kernel and in
 * one. `s3` is a LocalS3, `client` its client, `dipper` the module.
 */

/** Makes what the values need. */
export const PREPARE = `
await client.createBucket("taxi");
for (let i = 0; i < 25; i++) await client.file("s3://taxi/raw/" + i + ".csv").write("a,b\\n1,2\\n");
await client.file("s3://taxi/notes.txt").write("Hello\\nworld\\n", { metadata: { author: "Ada" } });
await client.file("s3://taxi/<b>.txt").write("<script>alert(1)</script>\\x1b[31m");`;

const FILE = 'client.file("s3://taxi/notes.txt")';
const TABLE = "new dipper.EmbeddingTable(2)";
const FIRST = (values: string): string => `(await Array.fromAsync(${values}))[0]`;
const FAILURE = (call: string): string => `await (async () => ${call})().catch((error) => error)`;

/** A value by its name: an expression, and the first line of what is shown. */
export interface Value {
  readonly code: string;
  /** What the plain text begins with. */
  readonly begins: string;
  /** Plain values that show themselves in a kernel only. */
  readonly onlyInKernel?: boolean;
}

const value = (code: string, begins: string): Value => ({ code, begins });
const inKernel = (code: string, begins: string): Value => ({ code, begins, onlyInKernel: true });

/** All of them. */
export const VALUES: Readonly<Record<string, Value>> = {
  "S3File": value(FILE, "notes.txt: UTF-8 text\n"),
  "a slice": value(`${FILE}.slice(0, 5)`, "notes.txt: UTF-8 text\n"),
  "an S3File that is not there": value('client.file("s3://taxi/no")', "no\n"),
  "LocalFile": value(
    'dipper.file(new URL("../../deno.json", import_meta).pathname)',
    "deno.json: ",
  ),
  "HttpFile": value(
    'client.file(await client.file("s3://taxi/notes.txt").presign())',
    "notes.txt: UTF-8 text\n",
  ),
  "Stat": value(`await ${FILE}.stat()`, "Stat\n"),
  "Stat of a write": value('await client.file("s3://taxi/w").write("x")', "Stat\n"),
  "Listing": value('client.list("s3://taxi/raw/")', "s3://taxi/raw/: 25 objects, "),
  "Listing of folders": value(
    'client.list("s3://taxi/", { delimiter: "/" })',
    "s3://taxi/: 3 objects, 1 folder, ",
  ),
  "an array of entries": value(
    'await client.list("s3://taxi/raw/").toArray()',
    "s3://taxi/raw/: 25 objects, ",
  ),
  "an entry": inKernel(FIRST('client.list("s3://taxi/raw/")'), "raw/0.csv: object\n"),
  "a folder": inKernel(
    '(await client.list("s3://taxi/", { delimiter: "/" }).toArray()).find((entry) => "prefix" in entry)',
    "raw/: folder\n",
  ),
  "a table": value(
    `await (async () => {
      await client.writeTable("s3://taxi/t.parquet", { a: Int32Array.of(1, 2, 3) });
      return await client.file("s3://taxi/t.parquet").table();
    })()`,
    "Table: 3 rows × 1 column, ",
  ),
  "buckets()": value("await client.buckets()", "Buckets: 1 bucket\n"),
  "versions()": value(`${FILE}.versions()`, "s3://taxi/notes.txt: 1 version, "),
  "incompleteUploads()": value(
    'client.incompleteUploads("s3://taxi/")',
    "s3://taxi/: no incomplete uploads",
  ),
  "bytes()": value(`await ${FILE}.bytes()`, "Uint8Array: UTF-8 text\n"),
  "arrayBuffer()": inKernel(`await ${FILE}.arrayBuffer()`, "ArrayBuffer: UTF-8 text\n"),
  "into()": value(`await ${FILE}.into(new Uint8Array(100))`, "Uint8Array: UTF-8 text\n"),
  "ranges()": value(`await ${FILE}.ranges([[0, 2], [3, 5]])`, "ranges: 2 ranges, 4 bytes\n"),
  "one of ranges()": value(`(await ${FILE}.ranges([[0, 5]]))[0]`, "Uint8Array: UTF-8 text\n"),
  "RustBuffer": value(`await client.get("s3://taxi/notes.txt")`, "RustBuffer: UTF-8 text\n"),
  "a disposed RustBuffer": value(
    "((buffer) => (buffer.dispose(), buffer))(new dipper.RustBuffer(8))",
    "RustBuffer: disposed\n",
  ),
  "an adopted RustBuffer": value(
    "((buffer) => (buffer.adopt(), buffer))(new dipper.RustBuffer(8))",
    "RustBuffer: moved\n",
  ),
  "view()": inKernel("new dipper.RustBuffer(8).view()", "Uint8Array: binary\n"),
  "adopt()": inKernel("new dipper.RustBuffer(8).adopt()", "ArrayBuffer: binary\n"),
  "EmbeddingTable": value(TABLE, "EmbeddingTable: 0 × 2, float32\n"),
  "topK()": value(
    `((table) => (table.addMany([[0, 1], [1, 0]]), table.topK([1, 0], 2)))(${TABLE})`,
    "Nearest: 2 rows, dot\n",
  ),
  "contiguous()": value(
    "dipper.contiguous({ data: new Int8Array([1, 2, 3, 4]), shape: [2, 2], stride: [2, 1] })",
    "ContiguousArray: 2 × 2, int8\n",
  ),
  "memory()": value("dipper.memory()", "Memory: "),
  "metricsOf()": value(`dipper.metricsOf(await ${FILE}.bytes())`, "Metrics: 12 bytes, "),
  "TransferReport": value('await client.deleteMany(["s3://taxi/x"])', "deleteMany\n"),
  "TransferError": value(
    FAILURE('client.deleteMany(["s3://no-such-bucket/x"])'),
    "TransferError: TransferFailed\n  1 of 1 failed.\n",
  ),
  "NotFoundError": value(
    FAILURE('client.file("s3://taxi/no").bytes()'),
    "NotFoundError: NoSuchKey\n",
  ),
  "InvalidInputError": value(FAILURE('client.file("s3:/typo")'), "InvalidInputError: "),
  "NetworkError": value(
    FAILURE('dipper.file("http://127.0.0.1:1/x").bytes()'),
    "NetworkError: ",
  ),
  "diagnose()": value('await client.diagnose("s3://taxi/notes.txt")', "Diagnosis: all is well\n"),
  "usage()": value('client.usage("s3://taxi/raw/")', "s3://taxi/raw/: 25 objects, "),
  "the report of usage()": value(
    'await client.usage("s3://taxi/raw/")',
    "s3://taxi/raw/: 25 objects, ",
  ),
  "S3Client": value("client", "S3Client\n"),
  "LocalS3": value("s3", "LocalS3\n"),
  "getMany()": value('client.getMany(["s3://taxi/notes.txt"])', "getMany\n"),
  "a result of getMany()": inKernel(
    FIRST('client.getMany(["s3://taxi/notes.txt"])'),
    "s3://taxi/notes.txt: UTF-8 text\n",
  ),
  "a failure of getMany()": inKernel(
    FIRST('client.getMany(["s3://taxi/no"])'),
    "NotFoundError: NoSuchKey\n",
  ),
  "lines()": value(`${FILE}.lines()`, "lines\n"),
  "frames()": value(`${FILE}.frames({ length: "varint" })`, "frames\n"),
  "a batch of lines": value(
    FIRST(`${FILE}.lines({ as: "bytes", batch: true })`),
    "ByteBatch: 2 elements, 10 bytes\n",
  ),
  "stream()": value(`${FILE}.stream()`, "stream\n"),
  "writer()": value('client.file("s3://taxi/w").writer()', "writer\n"),
  "what is hostile": value('client.file("s3://taxi/<b>.txt")', "<b>.txt: UTF-8 text\n"),
};
