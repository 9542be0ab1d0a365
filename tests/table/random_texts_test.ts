// Texts and bytes in Parquet as pyarrow writes them, with pages, encodings and codecs at random: the
// values that pyarrow reads, in whole tables, in the first rows, and by batches.

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { file, memory } from "dipper";
import { EXACT, plainColumns } from "./plain_values.ts";
import { PYTHON } from "./pyarrow.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const FILES = 60;

interface Written {
  readonly settings: Record<string, unknown>;
  readonly rows: number;
  readonly values: Record<string, unknown[]>;
}

it("texts at random are those that pyarrow reads", { ignore: PYTHON === undefined }, async () => {
  const folder = await Deno.makeTempDir();
  const program = decodeURIComponent(new URL("random_texts.py", import.meta.url).pathname);
  const args = [program, "1", String(FILES), folder];
  const { success, stderr } = await new Deno.Command(PYTHON!, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  const files: Written[] = JSON.parse(await Deno.readTextFile(`${folder}/texts.json`));
  for (const [number, { settings, rows, values }] of files.entries()) {
    const path = `${folder}/${number}.parquet` as `/${string}`;
    for (const limit of [undefined, Math.ceil(rows / 3)]) {
      const table = await file(path).table({ ...EXACT, ...(limit && { limit }) });
      const found = plainColumns(table);
      for (const [name, known] of Object.entries(values)) {
        const case_ = `${number}.parquet ${name} ${limit} ${JSON.stringify(settings)}`;
        assertEquals(found[name], known.slice(0, limit), case_);
      }
    }
    const batched: unknown[] = [];
    for await (const batch of file(path).batches({ ...EXACT, columns: ["large"] })) {
      batched.push(...plainColumns(batch)["large"]!);
    }
    assertEquals(batched, values["large"], `${number}.parquet by batches`);
  }
  await Deno.remove(folder, { recursive: true });
});
