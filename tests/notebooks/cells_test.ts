/**
 * Cells behave, in the real kernel: errors are short and point to the user's line, forgotten promises
 * end nothing, nothing is shown twice, and what a top-level `using` does is said where it bites.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { python } from "./executed_notebook.ts";
import { errorOf, type Message, printed, runInKernel, type Told } from "./kernel_session.ts";

const START = `
import { EmbeddingTable, file, LocalS3, memory, RustBuffer, S3Client } from "../mod.ts";
const s3 = await LocalS3.start();
const client = s3.client();
await client.createBucket("bucket");
await client.file("s3://bucket/text").write("hello");
const directory = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
console.log("ready");`;

/** Calls that fail, by the name of their error and what they tell to do. */
const FAILING: [code: string, name: string, hint: string][] = [
  [`await client.file("s3://bucket/none").bytes();`, "NotFoundError", "to see its keys"],
  [
    `await client.file("s3://bucket/none").lines()[Symbol.asyncIterator]().next();`,
    "NotFoundError",
    "keys",
  ],
  [
    `for await (const chunk of client.file("s3://bucket/none").stream()) chunk;`,
    "NotFoundError",
    "keys",
  ],
  [`for await (const { uri } of client.list("s3://none/")) uri;`, "NotFoundError", "buckets()"],
  [
    `for await (const { error } of client.getMany(["s3://bucket/none"])) throw error;`,
    "NotFoundError",
    "keys",
  ],
  [`await client.file("s3://bucket/text").json();`, "InvalidInputError", "text()"],
  [`client.file("s3:/typo");`, "InvalidInputError", "s3://bucket/key"],
  [`new RustBuffer(-1);`, "InvalidInputError", "a whole number"],
  [`await client.download("s3://none/", directory);`, "NotFoundError", "buckets()"],
  [`await client.deleteMany(["s3://none/a"]);`, "TransferError", "report names each"],
  [`await file("http://127.0.0.1:1/x").bytes();`, "NetworkError", "check that the server runs"],
  [`await EmbeddingTable.load("s3://bucket/text", { client });`, "InvalidInputError", ""],
  [`new S3Client({ regoin: "x" });`, "InvalidInputError", "region"],
];

/** Promises that nobody awaits, and that are rejected while or after the cell runs. */
const FORGOTTEN = [
  `client.file("s3://bucket/none").bytes();`,
  `const lost = client.file("s3://bucket/none").text();`,
  `Promise.all([client.file("s3://bucket/none").bytes(), client.file("s3://none/k").bytes()]);`,
  `client.file("s3://bucket/w").write((async function* () { yield "x"; throw new Error("mine"); })());`,
  `client.download("s3://none/", directory);`,
  `client.sync("s3://none/", "s3://bucket/x/");`,
  `client.deleteMany(["s3://none/a", "s3://none/b"]);`,
  `client.usage("s3://none/");`,
  `client.list("s3://none/")[Symbol.asyncIterator]().next();`,
  `client.getMany(["s3://none/k"])[Symbol.asyncIterator]().next();`,
  `client.file("s3://bucket/none").stream().getReader().read();`,
  `const writer = client.file("s3://none/w").writer().getWriter(); writer.write(new Uint8Array(9)); writer.close();`,
  `client.file("s3://bucket/none").lines()[Symbol.asyncIterator]().next();`,
  `client.file("s3://bucket/none").copyTo("s3://bucket/copy");`,
  `client.file("s3://bucket/text").bytes({ signal: AbortSignal.timeout(1) });`,
  `client.diagnose("s3://none/");`,
  `EmbeddingTable.load("s3://bucket/none", { client });`,
  `setTimeout(() => client.file("s3:/typo"), 10);`,
];

/** What a cell put out, without the progress of a call that a busy machine makes slow. */
function outputsOf({ outputs }: Told): Message[] {
  return outputs.filter(({ data }) => !data?.["text/html"]?.includes("dipper-progress"));
}

describe("cells", { ignore: python === undefined }, () => {
  it("end with short errors that name the user's line, the cause and what to do", async () => {
    const told = await runInKernel([
      { code: START },
      ...FAILING.map(([code]) => ({ code })),
      {
        code: `async function load(uri) {
            return await client.file(uri).text();
          }
          await load("s3://bucket/none");`,
      },
    ]);
    assertStringIncludes(printed(told[0]!), "ready");
    FAILING.forEach(([code, name, hint], index) => {
      const one = told[index + 1]!;
      const error = errorOf(one);
      const traceback = error?.traceback?.join("\n") ?? "";
      assertEquals(error?.ename, name, `${code}: ${JSON.stringify(one)}`);
      assertStringIncludes(error?.evalue ?? "", hint, code);
      const [head, ...steps] = traceback.split("\n");
      assertEquals(head, `${name}: ${error?.evalue}`, code);
      for (const step of steps) assertMatch(step, /^ {4}at .*<anonymous>:\d+:\d+\)?$/, code);
      assertEquals(outputsOf(one).length, 1, `${code}: ${JSON.stringify(one.outputs)}`);
    });
    const deep = errorOf(told.at(-1)!)?.traceback?.join("\n") ?? "";
    assertMatch(deep, /\n {4}at async load \(<anonymous>:2:\d+\)\n {4}at async <anonymous>:4:\d+$/);
  });

  it("are not hurt by promises that nobody awaits", async () => {
    const told = await runInKernel([
      { code: START },
      ...FORGOTTEN.flatMap((
        code,
      ) => [{ code: `${code} 0;` }, { code: `await sleep(50); "alive";` }]),
      { code: `await sleep(1000); console.log(memory().operations, memory().buffers);` },
    ]);
    FORGOTTEN.forEach((code, index) => {
      for (const one of told.slice(1 + 2 * index, 3 + 2 * index)) {
        assertEquals(
          [one.alive, one.reply?.status],
          [true, "ok"],
          `${code}: ${JSON.stringify(one)}`,
        );
        assertEquals(outputsOf(one).length, 1, `${code}: ${JSON.stringify(one.outputs)}`);
      }
    });
    assertEquals(printed(told.at(-1)!), "0 0\n");
  });

  it("show nothing twice", async () => {
    const cells = [
      `await client.file("s3://bucket/text").stat();`,
      `await client.file("s3://bucket/text").bytes();`,
      `client.list("s3://bucket/");`,
      `await client.deleteMany(["s3://bucket/none"]);`,
      `memory();`,
      `await client.usage("s3://bucket/");`,
      `console.log("once");`,
    ];
    const told = await runInKernel([
      { code: START },
      ...cells.map((code) => ({ code })),
      ...cells.map((code) => ({ code, together: true })),
    ]);
    for (const one of told.slice(1)) assertEquals(outputsOf(one).length, 1, JSON.stringify(one));
  });

  it("are told what a using at their top level does", async () => {
    const told = await runInKernel([
      { code: START },
      { code: `{ using inBraces = new RustBuffer(1000); } memory().buffers;` },
      { code: `using atTop = new RustBuffer(1000); 1;` },
      { code: `memory();` },
      { code: `using large = new RustBuffer(Math.floor(memory().budget * 0.6)); 1;` },
      { code: `new RustBuffer(Math.floor(memory().budget * 0.6));` },
      { code: `large.dispose(); new RustBuffer(Math.floor(memory().budget * 0.6)).dispose(); 2;` },
    ]);
    assertStringIncludes(outputsOf(told[1]!)[0]?.data?.["text/plain"] ?? "", "0");
    const shown = outputsOf(told[3]!)[0]?.data ?? {};
    for (const type of ["text/plain", "text/html"]) {
      assertStringIncludes(shown[type] ?? "", "put it in braces");
    }
    assertMatch(errorOf(told[5]!)?.evalue ?? "", /do not fit: .*dispose\(\) .*put it in braces/);
    assertEquals(told[6]!.reply?.status, "ok");
    assert(outputsOf(told[6]!).length === 1);
  });
});
