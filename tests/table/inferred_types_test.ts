// The types of text: those of its first records, however much of it has come when they are looked at.

import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { file, IntegrityError, LocalS3, memory, type ObjectFile } from "dipper";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** No more than this is looked at for `inferBytes: 1`, and as much can come at once again. */
const PIECE = 2 << 20;
/** What is behind the piece that is looked at, and may have come with it. */
const BEHIND = 100_000;

const TEXTS: Record<string, (record: string, last: string) => string> = {
  csv: (record, last) => `a\n${record}${last}`,
  ndjson: (record, last) => record.replaceAll(/.+/g, '{"a":$&}') + `{"a":"${last.trim()}"}\n`,
};

async function twentyTimes(run: () => Promise<void>): Promise<void> {
  for (let time = 0; time < 20; time++) await run();
}

describe("the types of text", () => {
  for (const [format, textOf] of Object.entries(TEXTS)) {
    const record = textOf("1\n", "").length - textOf("", "").length;
    const rows = Math.ceil((PIECE + BEHIND) / record);
    const text = textOf("1\n".repeat(rows), "late\n");

    const check = (f: ObjectFile) =>
      twentyTimes(async () => {
        await assertRejects(() => f.table({ inferBytes: 1 }), IntegrityError);
        const whole = await f.table({ inferBytes: PIECE + 2 * BEHIND });
        assertEquals([whole.numRows, whole.getChild("a").at(rows)], [rows + 1, "late"]);
      });

    it(`are those of the first ${format} records that are looked at, of an object`, async () => {
      await using server = await LocalS3.start();
      using client = server.client();
      await client.createBucket("bucket");
      const f = client.file(`s3://bucket/late.${format}`);
      await f.write(text);
      await check(f);
    });

    it(`are those of the first ${format} records that are looked at, of a file`, async () => {
      const path = await Deno.makeTempFile({ suffix: `.${format}` });
      try {
        await Deno.writeTextFile(path, text);
        await check(file(path));
      } finally {
        await Deno.remove(path);
      }
    });
  }
});
