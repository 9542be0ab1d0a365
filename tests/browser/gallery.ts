/**
 * What the gallery shows: each exhibit is a cell whose last line shows itself, over real data. The
 * tests look at each, and `deno task gallery` takes the pictures of `docs/gallery.md`.
 */

import type { Cell, Lab, NotebookPage, Theme } from "./lab.ts";

/** One display. */
export interface Exhibit extends Cell {
  /** Its heading in the gallery. */
  title: string;
  /** What the gallery says of it. */
  says: string;
  /** What a reader must see in it. */
  shows: string[];
}

/** What comes before: a server with real data, and one that sends half and then waits. */
export const START = `
import {
  EmbeddingTable, file, help, LocalS3, memory, metricsOf, plot, RustBuffer,
} from "dipper";
import { sampleDirectory } from "sample_data";
import { tableFromIPC } from "@uwdata/flechette";
const server = await LocalS3.start();
const s3 = server.client();
await s3.createBucket("vega", { versioning: true });
await s3.createBucket("bucket");
await s3.upload(sampleDirectory(), "s3://vega/", { progress: false });
await s3.file("s3://vega/cars.json").write("[]");

const size = 20_000_000;
let goOn = () => {};
async function* slowly(waits) {
  const wait = waits ? new Promise((resolve) => goOn = resolve) : undefined;
  for (let sent = 0; sent < 20; sent++) {
    if (sent === 12) await wait;
    yield new Uint8Array(size / 20);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
const slow = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
  if (request.url.endsWith("/go-on")) return new Response(String(goOn()));
  return new Response(ReadableStream.from(slowly(request.url.endsWith(".bin"))), {
    headers: { "content-length": String(size), "content-type": "application/octet-stream" },
  });
});
const slowFile = file("http://127.0.0.1:" + slow.addr.port + "/genome.bin");
console.log("slow", slow.addr.port);`;

/** A download that is not at its end yet: the bar stands at 60 % until the server is told. */
export const PROGRESS: Exhibit = {
  id: "progress",
  title: "A call under way",
  says: "Any call that lasts longer than half a second. One output, updated in place.",
  code: "(await slowFile.bytes()).length;",
  shows: ["genome.bin", " of 19.1 MiB", "/s"],
};

/** The gallery, in order. */
export const EXHIBITS: Exhibit[] = [
  {
    id: "file",
    title: "A file",
    says: "A name for an object. Shown, it asks for its facts and looks at its first bytes.",
    code: `s3.file("s3://vega/flights-200k.arrow")`,
    shows: ["s3://vega/flights-200k.arrow", "1.5 MiB", "delay", "int16"],
  },
  {
    id: "stat",
    title: "What the store says of an object",
    says: "",
    code: `await s3.file("s3://vega/flights-3m.parquet").stat()`,
    shows: ["s3://vega/flights-3m.parquet", "12.9 MiB"],
  },
  {
    id: "listing",
    title: "A listing",
    says: "The first rows. The rest is not fetched.",
    code: `s3.list("s3://vega/")`,
    shows: ["73 objects", "7zip.png", "flights-10k.json", "First 20 of 73"],
  },
  {
    id: "versions",
    title: "Versions",
    says: "The same object twice: what was overwritten is still there.",
    code: `s3.list("s3://vega/cars", { versions: true })`,
    shows: ["cars.json"],
  },
  {
    id: "buckets",
    title: "Buckets",
    says: "",
    code: `await s3.buckets()`,
    shows: ["2 buckets", "bucket", "vega"],
  },
  {
    id: "image",
    title: "Bytes of an image",
    says: "Bytes show themselves by what they hold.",
    code: `await s3.file("s3://vega/ffox.png").bytes()`,
    shows: ["PNG image, 100 × 100"],
  },
  {
    id: "parquet",
    title: "Bytes of a Parquet file",
    says: "The schema stands in the footer, which is the only part that is read.",
    code: `await s3.file("s3://vega/flights-3m.parquet").bytes()`,
    shows: ["3,000,000 rows", "destination", "timestamp"],
  },
  {
    id: "table",
    title: "A table",
    says:
      "Each column with its type, its nulls, its range and how its values are spread; the first and the last rows.",
    code: `await s3.file("s3://vega/flights-3m.parquet").table({ progress: false })`,
    shows: ["3,000,000 rows", "destination", "delay"],
  },
  {
    id: "csv",
    title: "Bytes of a CSV file",
    says: "The first rows.",
    code: `await s3.file("s3://vega/stocks.csv").bytes()`,
    shows: ["CSV", "MSFT", "39.81", "First 8 rows"],
  },
  {
    id: "json",
    title: "Bytes of a JSON file",
    says: "Folded: each triangle opens a level.",
    code: `await s3.file("s3://vega/miserables.json").bytes()`,
    shows: ["JSON", "nodes", "links"],
  },
  {
    id: "hex",
    title: "Bytes of nothing in particular",
    says: "The first bytes, as numbers and as ASCII.",
    code: `await s3.file("s3://vega/flights-200k.arrow").slice(100_000, 100_096).bytes()`,
    shows: ["96 bytes", "00000050"],
  },
  {
    id: "rust-buffer",
    title: "Memory of Rust's",
    says: "The same for a `RustBuffer`, with its address and who owns it.",
    code: `await s3.get("s3://vega/seattle-weather.csv")`,
    shows: ["RustBuffer", "Address", "borrowed", "drizzle"],
  },
  {
    id: "memory",
    title: "What is held",
    says: "The bytes that the library holds in this process, beside the budget.",
    code: `memory()`,
    shows: ["Held", "Budget"],
  },
  {
    id: "embedding-table",
    title: "A table of vectors",
    says: "Head and tail, the course of each vector, its length.",
    code: `const table = new EmbeddingTable(384);
for (let row = 0; row < 500; row++) {
  table.add(Float32Array.from({ length: 384 }, (_, i) => Math.sin(i / (8 + row)) / 10));
}
table;`,
    shows: ["500 × 384", "float32"],
  },
  {
    id: "transfer",
    title: "A transfer",
    says: "What a call that moves many objects did.",
    code: `const directory = await Deno.makeTempDir();
const report = await s3.download("s3://vega/", directory);
await Deno.remove(directory, { recursive: true });
report;`,
    shows: ["73 objects", "40.5 MiB"],
  },
  {
    id: "transfer-failed",
    title: "A transfer with failures",
    says: "What failed, and why.",
    code: `await s3.deleteMany([
  "s3://vega/unemployment.tsv",
  "s3://no-such-bucket/a.csv",
  "s3://no-such-bucket/b.csv",
], { onError: "collect" })`,
    shows: ["s3://no-such-bucket/a.csv"],
  },
  {
    id: "error",
    title: "An error",
    says:
      "What happened, to what, and what to do. An error that a cell throws is printed by the kernel, which drops the cause; caught and shown, it tells all.",
    code: `await s3.file("s3://vega/flights.arow").bytes().catch((error) => error)`,
    shows: ["NotFoundError", "s3://vega/flights.arow"],
  },
  {
    id: "usage",
    title: "What lies below a prefix",
    says: "Counted by folder, extension, storage class and age.",
    code: `await s3.usage("s3://vega/")`,
    shows: [".parquet", "STANDARD"],
  },
  {
    id: "diagnose",
    title: "Why something does not work",
    says: "Who asks, whom, and what is allowed.",
    code: `await s3.diagnose("s3://vega/")`,
    shows: ["s3://vega/"],
  },
  {
    id: "client",
    title: "A client",
    says: "Where it asks, and for whom; never a secret.",
    code: `s3`,
    shows: ["S3Client", "127.0.0.1", "given as an option"],
  },
  {
    id: "server",
    title: "The embedded server",
    says: "",
    code: `server`,
    shows: ["LocalS3", "running"],
  },
  {
    id: "array",
    title: "An array of entries",
    says: "As the listing that it comes from.",
    code: `await s3.list("s3://vega/flights-").toArray()`,
    shows: ["8 objects", "flights-3m.parquet"],
  },
  {
    id: "metrics",
    title: "What a call took",
    says: "For what a download returned, and for the `Stat` of an upload.",
    code: `metricsOf(await s3.file("s3://vega/flights-3m.parquet").bytes())`,
    shows: ["Requests", "12.9 MiB", "Copied"],
  },
  {
    id: "lines",
    title: "Lines of a file",
    says: "What they are of. Nothing is read before the loop.",
    code: `s3.lines("s3://vega/airports.csv")`,
    shows: ["s3://vega/airports.csv", "for await"],
  },
  {
    id: "nearest",
    title: "The nearest vectors",
    says: "",
    code: `table.topK(table.row(7), 5)`,
    shows: ["Rank", "Score", "dot"],
  },
  {
    id: "plot",
    title: "A histogram of a column",
    says: "A column of an Arrow file, drawn from the memory that the download filled.",
    code:
      `const flights = tableFromIPC(await s3.file("s3://vega/flights-200k.arrow").arrayBuffer());
plot.histogram(flights.getChild("delay"), { label: "delay (minutes)" });`,
    shows: ["delay (minutes)"],
  },
  {
    id: "plot-line",
    title: "A column of a million numbers",
    says: "Without further words: how they are spread, and how they run.",
    code: `plot(Float64Array.from({ length: 1_000_000 }, (_, i) => Math.sin(i / 4e4) * i))`,
    shows: ["value", "index"],
  },
  {
    id: "plot-marks",
    title: "Any other plot",
    says: "What Observable Plot draws, by a function that gets the library.",
    code: `const cars = await s3.file("s3://vega/penguins.json").json();
plot((Plot) => ({
  grid: true,
  color: { legend: true },
  marks: [Plot.dot(cars, { x: "Flipper Length (mm)", y: "Body Mass (g)", stroke: "Species" })],
}));`,
    shows: ["Adelie", "Body Mass (g)"],
  },
  {
    id: "help",
    title: "Help",
    says: "The documentation of anything public.",
    code: `help(s3.list)`,
    shows: ["S3Client.list", "No request is sent"],
  },
];

/** Everything that a picture is taken of. */
export const PICTURED: Exhibit[] = [PROGRESS, ...EXHIBITS];

/** The name of a picture's file. */
export function pictureName(id: string, theme: Theme): string {
  return `${id}_${theme}.png`;
}

/** The page of the gallery. `deno task gallery` writes it, and a test compares it. */
export function galleryPage(): string {
  const sections = PICTURED.map(({ id, title, says, code }) => {
    const picture = `<picture>
  <source media="(prefers-color-scheme: dark)" srcset="gallery/${pictureName(id, "dark")}">
  <img alt="${title}" src="gallery/${pictureName(id, "light")}">
</picture>`;
    const parts = [`## ${title}`, says, "```js ignore\n" + code + "\n```", picture];
    return parts.filter((part) => part !== "").join("\n\n");
  });
  return `# Gallery

What a cell shows whose last line is one of these, in JupyterLab, in its light theme or its dark
one as you read this page. The data are those of the npm package \`vega-datasets\`. The pictures are
taken by the tests: \`deno task gallery\` makes them and this page anew.

${sections.join("\n\n")}
`;
}

/** Opens the exhibition: a notebook of all exhibits, started, none of them run. */
export async function openGallery(
  lab: Lab,
  more: Cell[] = [],
): Promise<{ page: NotebookPage; goOn: () => Promise<void> }> {
  const page = await lab.open("gallery", [{ id: "start", code: START }, ...PICTURED, ...more]);
  await page.run("start");
  await page.until("the start cell says its port", async () => {
    const failed = await page.errors();
    if (failed.length > 0) throw new Error(`the start cell failed: ${failed.join("\n")}`);
    return /slow \d+/.test(await page.shown("start"));
  });
  const port = /slow (\d+)/.exec(await page.shown("start"))?.[1];
  return {
    page,
    async goOn() {
      await (await fetch(`http://127.0.0.1:${port}/go-on`)).body?.cancel();
    },
  };
}
