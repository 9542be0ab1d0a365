/**
 * 1 GiB of lines of 100 bytes in a local file: byte batches beside `wc -l`, string batches and single
 * lines beside Bun, Deno's own streams and Node's `readline`.
 *
 * Every run is timed from the start of its process to its end, and each checks how many lines came.
 *
 * @module
 */
import { join } from "node:path";
import {
  type BenchCase,
  type Contender,
  gigabytesPerSecond,
  type Ground,
  peakColumn,
} from "./bench_case.ts";
import { temporaryMemory } from "./setup/memory_folder.ts";

const SIZE = 2 ** 30;
const LINE = 100;

/** A file of lines in memory, made once for each run. */
async function fileOfLines(): Promise<Ground> {
  const directory = await Deno.makeTempDir({
    prefix: "dipper-bench-lines-",
    ...await temporaryMemory(),
  });
  const block = new TextEncoder().encode(
    Array.from({ length: 20_000 }, (_, at) => `${at}`.padStart(LINE - 1, "line ") + "\n").join(""),
  );
  using file = await Deno.open(join(directory, "lines"), { write: true, create: true });
  for (let left = SIZE; left > 0; left -= block.length) {
    let rest = block.subarray(0, left);
    while (rest.length > 0) rest = rest.subarray(await file.write(rest));
  }
  return {
    job: { directory },
    async cleared() {
      await Deno.remove(directory, { recursive: true });
      return undefined;
    },
  };
}

const BATCHES = "dipper, byte batches";
const STRINGS = "dipper, string batches";
const SINGLE = "dipper, line by line";
const WC = "wc -l";
const BUN = "Bun, its file's stream split";
const DENO = "Deno, TextDecoderStream and a split";
const NODE = "Node.js, readline";

const contenders: Contender[] = [
  { label: BATCHES, role: "dipper", program: "lines, dipper", job: { way: "bytes" } },
  { label: STRINGS, role: "dipper", program: "lines, dipper", job: { way: "strings" } },
  { label: SINGLE, role: "dipper", program: "lines, dipper", job: { way: "text" } },
  { label: WC, role: "mark", program: "wc" },
  { label: BUN, role: "JavaScript peer", program: "lines, Bun", job: { way: "stream" } },
  { label: DENO, role: "JavaScript peer", program: "lines, Deno", job: { way: "stream" } },
  { label: NODE, role: "JavaScript peer", program: "lines, Node.js", job: { way: "readline" } },
];

/** Lines of a local file. */
export const linesOfFile: BenchCase = {
  name: "lines",
  // Nothing of it is read over the network.
  server: "http",
  served: ["tiny"],
  job: { case: "lines", bucket: "", key: "lines", size: SIZE },
  ground: fileOfLines,
  contenders,
  rate: gigabytesPerSecond,
  columns: [
    { head: "seconds", of: ({ seconds }) => seconds, digits: 2 },
    { head: "CPU s", of: ({ cpuSeconds }) => cpuSeconds, digits: 2 },
    { ...peakColumn, head: "peak MiB", of: ({ peakBytes }) => peakBytes / 2 ** 20 },
  ],
  figures: (results) => [
    results.atLeast("1 GiB of lines, byte batches: wc -l", 0.5, BATCHES, results.named(WC)),
    results.atLeast("the same, string batches: Bun", 1, STRINGS, results.named(BUN)),
    results.atLeast("the same, string batches: Deno's streams", 2, STRINGS, results.named(DENO)),
    results.atLeast("the same, string batches: readline", 3, STRINGS, results.named(NODE)),
    results.atLeast("the same, line by line: readline", 2, SINGLE, results.named(NODE)),
  ],
};
