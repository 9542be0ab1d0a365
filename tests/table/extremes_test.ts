/** What is very large, very wide, empty, or lies about it; and readers that share little memory. */

import { BudgetExceededError, file, IntegrityError, metricsOf, type S3Client } from "dipper";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { settled } from "../memory/settled.ts";
import { within } from "../storage/scripted_server.ts";
import { withNumber } from "./thrift_numbers.ts";
import { python, WrittenFiles } from "./written_files.ts";

const DEADLINE = 120_000;
const MIB = 1 << 20;
const SHARED = ["parquet", "arrow", "arrows", "csv", "ndjson", "npz"];
const SHARED_ROWS = 400_000;

describe("extremes of tables", { ignore: python === undefined }, () => {
  let files: WrittenFiles;
  beforeAll(async () => {
    files = await WrittenFiles.of("extremes");
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  const table = (name: string, options = {}, client: S3Client = files.client) =>
    client.file(files.uri(name)).table(options);

  it("10,000 columns of Parquet come, and some of them for little", async () => {
    const wide = await table("wide.parquet");
    assertEquals([wide.numCols, wide.numRows], [10_000, 3]);
    for (let column = 0; column < 10_000; column++) {
      const values = [...wide.getChildAt(column)!];
      // No number is minus nothing here.
      assertEquals(values, [column, null, -column || 0], `column ${column}`);
    }
    const columns = ["c9999", "c0", "c5000"];
    const some = await table("wide.parquet", { columns, where: "c5000 < 0" });
    assertEquals([...some], [{ c9999: -9999, c0: 0, c5000: -5000 }]);
  });

  describe("a row group of a GiB", () => {
    const SUM = (1 << 23) * (1023 / 2);

    it("is refused where it does not fit, before it is read", async () => {
      using client = files.sibling({ memoryBudget: 256 * MIB });
      const error = await assertRejects(
        () => table("big.parquet", {}, client),
        BudgetExceededError,
      );
      assert(/row group 0 has 8388608 rows/.test(error.message), error.message);
      await settled("nothing of it stays");
    });

    it("gives some of its columns in that memory", async () => {
      using client = files.sibling({ memoryBudget: 256 * MIB });
      const some = await table("big.parquet", { columns: ["n3", "n11"], int64: "float64" }, client);
      for (const name of ["n3", "n11"]) {
        let sum = 0;
        for (const { values } of some.getChild(name).data) {
          for (const value of values as Float64Array) sum += value;
        }
        assertEquals(sum, SUM, name);
      }
      // Their chunks, and the end of the file with its footer. All columns are alike.
      const { size } = await client.file(files.uri("big.parquet")).stat();
      const { bytes } = metricsOf(some)!;
      assert(bytes < size * 2 / 16 * 1.1 + (64 << 10), `${bytes} of ${size}`);
    });

    it("takes 1.3 times its columns and 64 MiB, and no more", async () => {
      const { decoded, took, sum } = await measured(`${files.directory}/big.parquet`);
      assertEquals([decoded, sum], [1 << 30, 16 * SUM]);
      assert(took <= 1.3 * decoded + 64 * MIB, `${took / MIB} MiB for ${decoded / MIB} MiB`);
    });

    it("ends amid its decoding when a signal says so, and all memory is free", async () => {
      for (const pause of [20, 100, 300]) {
        const ending = new AbortController();
        const reason = new Error("enough");
        const reading = file(`${files.directory}/big.parquet`).table({ signal: ending.signal });
        setTimeout(() => ending.abort(reason), pause);
        const ended = await within(DEADLINE, reading.then(() => undefined, (error) => error));
        // On a machine that decodes a GiB in that time it is whole.
        if (ended !== undefined) assertEquals(ended, reason);
        await settled(`after ${pause} ms`);
      }
    });
  });

  it("numbers of rows that cannot be are a typed error, and take nothing", async () => {
    const small = await files.bytes("small.parquet");
    // FileMetaData.num_rows, RowGroup.num_rows, and what its two columns say of their values:
    // https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
    const places = {
      "of the file": [[3]],
      "of the row group": [[4, 0, 3]],
      "of both": [[3], [4, 0, 3]],
      "of all": [[3], [4, 0, 3], [4, 0, 1, 0, 3, 5], [4, 0, 1, 1, 3, 5]],
    };
    for (const [name, paths] of Object.entries(places)) {
      for (const rows of [2n ** 60n, 2n ** 63n - 1n, -1n, 1n << 31n]) {
        const bytes = paths.reduce((bytes, path) => withNumber(bytes, path, rows), small);
        await files.client.file(files.uri("lying.parquet")).write(bytes);
        for (const options of [{}, { columns: [] }, { limit: 10 }, { where: "a > 5" }]) {
          const outcome = await within(DEADLINE, table("lying.parquet", options)).then(
            ({ numRows }) => numRows,
            (error) => error,
          );
          const title = `${name}, ${rows}, ${Deno.inspect(options)}: ${outcome}`;
          // Whoever asks for nothing but the number may be told it, as long as it is one; nobody is
          // told other values.
          const told = typeof outcome === "number" &&
            (outcome <= 1000 || "columns" in options && Number.isSafeInteger(outcome));
          const refused = outcome instanceof IntegrityError ||
            outcome instanceof BudgetExceededError;
          assert(told || refused, title);
        }
      }
    }
    await settled("it let go of its memory");
  });

  it("a table without columns has rows", async () => {
    assertEquals((await table("none.parquet")).numCols, 0);
    for (const format of ["parquet", ...SHARED.slice(1)]) {
      const read = await table(`shared.${format}`, { columns: [] });
      assertEquals([read.numRows, read.numCols], [SHARED_ROWS, 0], format);
      const masked = await table(`shared.${format}`, { columns: [], where: "a < 0" });
      assertEquals(masked.numRows, 0, format);
      const limited = await table(`shared.${format}`, { columns: [], limit: 7, int64: "float64" });
      assertEquals(limited.numRows, 7, format);
      assertEquals([...limited].length, 7);
      assertEquals(
        [limited.at(6), limited.at(7), limited.toArray().length],
        [{}, null, 7] as never,
      );
    }
    const both = await files.client.table([files.uri("shared.parquet"), files.uri("shared.csv")], {
      columns: [],
    });
    assertEquals(both.numRows, 2 * SHARED_ROWS);
  });

  for (const format of SHARED) {
    it(`readers that share little memory all end: ${format}`, async () => {
      // Each needs several MiB: pieces of text and row groups.
      using client = files.sibling({ memoryBudget: 24 * MIB });
      const uri = files.uri(`shared.${format}`);
      const whole = async () => (await client.file(uri).table()).numRows;
      const batches = async () => {
        let rows = 0;
        for await (const { numRows } of client.file(uri).batches()) {
          rows += numRows;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return rows;
      };
      const masked = async () => (await client.file(uri).table({ where: "a >= 0" })).numRows;
      const reads = [whole(), batches(), masked(), batches(), whole()];
      const rows = await within(DEADLINE, Promise.all(reads));
      assertEquals(rows, reads.map(() => SHARED_ROWS));
      // Those that are amid their batches do not stop another.
      const going = Array.from(
        { length: 3 },
        () => client.file(uri).batches()[Symbol.asyncIterator](),
      );
      for (const batches of going) await within(DEADLINE, batches.next());
      const { numRows } = await within(DEADLINE, client.file(uri).table());
      assertEquals(numRows, SHARED_ROWS);
      for (const batches of going) await batches.return?.(undefined);
    });
  }
});

/** Reads a file in a process of its own: what it decoded, and by how much its memory grew. */
async function measured(path: string): Promise<{ decoded: number; took: number; sum: number }> {
  const program = new URL("peak_memory.ts", import.meta.url);
  const args = ["run", "-A", "--no-check", "--v8-flags=--expose-gc", program.pathname, path];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}
