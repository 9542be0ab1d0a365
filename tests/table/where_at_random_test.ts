// Random conditions on random columns: the same rows as a program in Python says, whether the file has
// statistics, by which row groups and pages are left out, or none.

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { file, memory } from "dipper";
import { PYTHON } from "./pyarrow.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const SEEDS = 4;
const CONDITIONS = 200;

it(
  "conditions at random choose the rows that they mean",
  { ignore: PYTHON === undefined },
  async () => {
    const folder = await Deno.makeTempDir();
    const program = decodeURIComponent(new URL("random_conditions.py", import.meta.url).pathname);
    const seeds = Array.from({ length: SEEDS }, (_, seed) => seed);
    const writes = seeds.map(async (seed) => {
      const args = [program, String(seed), String(CONDITIONS), `${folder}/${seed}`];
      const { success, stderr } = await new Deno.Command(PYTHON!, { args }).output();
      assert(success, new TextDecoder().decode(stderr));
    });
    await Promise.all(writes);
    let chosen = 0;
    for (const seed of seeds) {
      const told = JSON.parse(await Deno.readTextFile(`${folder}/${seed}.json`));
      for (const [where, rows] of told as [string, number[]][]) {
        for (const ending of ["parquet", "arrow"]) {
          const path = `${folder}/${seed}.${ending}` as `/${string}`;
          const table = await file(path).table({ columns: ["id"], where });
          const ids = [...table.getChild("id")] as number[];
          assertEquals(ids, rows, `seed ${seed}, ${ending}: ${where}`);
          chosen += rows.length;
        }
      }
    }
    assert(chosen > 50_000, `${chosen}`);
    await Deno.remove(folder, { recursive: true });
  },
);
