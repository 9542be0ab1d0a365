// What a name says about its content.

import { assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { mediaTypeOf } from "../../storage/media_type.ts";

it("a media type is guessed from the last extension, in any case", () => {
  const cases: [name: string, type: string | undefined][] = [
    ["a.csv", "text/csv"],
    ["A.CSV", "text/csv"],
    ["folder.json/a.parquet", "application/vnd.apache.parquet"],
    ["data.csv.gz", "application/gzip"],
    ["a.tar", "application/x-tar"],
    ["a", undefined],
    ["a.", undefined],
    [".json", undefined],
    ["folder/.json", undefined],
    ["folder.csv/a", undefined],
    ["a.unheard-of", undefined],
    ["a.constructor", undefined],
    ["a.__proto__", undefined],
    ["", undefined],
  ];
  for (const [name, type] of cases) assertEquals(mediaTypeOf(name), type, name);
});
