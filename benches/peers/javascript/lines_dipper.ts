/** Counts the lines of a file with dipper: `lines_dipper.ts PATH WAY COUNT`. */
import { lines } from "../../../mod.ts";

const [path = "", way = "", expected = ""] = Deno.args;
let count = 0;
if (way === "bytes") {
  for await (const { offsets } of lines(path, { as: "bytes", batch: true })) {
    count += offsets.length - 1;
  }
} else if (way === "strings") {
  for await (const batch of lines(path, { batch: true })) count += batch.length;
} else {
  for await (const _ of lines(path)) count++;
}
if (count !== Number(expected)) throw new Error(`${count} lines came, not ${expected}`);
