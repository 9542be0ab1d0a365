// Reading Parquet: how far it is, what does not fit, and what is damaged.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { DipperError, file, IntegrityError, memory, type Progress, writeTable } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

async function written(rows: number): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".parquet" });
  const id = Int32Array.from({ length: rows }, (_, row) => row);
  const half = Float64Array.from({ length: rows }, (_, row) => row / 2);
  await writeTable(path, { id, half }, { rowGroupSize: 10_000 });
  return path;
}

describe("Parquet", () => {
  it("tells how far it is, and at the end how much it was", async () => {
    const path = await written(50_000);
    const told: Progress[] = [];
    const table = await file(path).table({ onProgress: (progress) => void told.push(progress) });
    assertEquals(table.numRows, 50_000);
    assert(told.length >= 5, `${told.length}`);
    assert(told.every(({ bytes }, at) => at === 0 || bytes >= told[at - 1]!.bytes));
    const last = told.at(-1)!;
    assertEquals(last.total, last.bytes);
    await Deno.remove(path);
  });

  it("refuses what is cut short or no Parquet, and says so", async () => {
    const path = await written(1000);
    const whole = await Deno.readFile(path);
    await Deno.writeFile(path, whole.subarray(0, whole.length - 100));
    const error = await assertRejects(() => file(path).table(), IntegrityError);
    assert(error.message.includes("Parquet"), error.message);
    const lies = whole.slice();
    new DataView(lies.buffer).setUint32(lies.length - 8, 0x7fff_ffff, true);
    await Deno.writeFile(path, lies);
    await assertRejects(() => file(path).table(), IntegrityError);
    const locked = whole.slice();
    locked.set(new TextEncoder().encode("PARE"), locked.length - 4);
    await Deno.writeFile(path, locked);
    const refused = await assertRejects(() => file(path).table(), DipperError);
    assertEquals(refused.code, "Unsupported");
    await Deno.remove(path);
  });

  it("reads pages that are wanted, and the same rows", async () => {
    const path = await written(50_000);
    const table = await file(path).table({
      columns: ["half"],
      where: "id BETWEEN 20000 AND 20009",
    });
    assertEquals(
      [...table.getChild("half")!],
      Array.from({ length: 10 }, (_, at) => 10_000 + at / 2),
    );
    await Deno.remove(path);
  });
});
