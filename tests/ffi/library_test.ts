/** Finding and loading the library, and what is said when it fails. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { library } from "../../ffi/library.ts";
import { ABI_HASH, symbols } from "../../ffi/symbols.ts";
import { type Loaded, Tree } from "./tree.ts";

const loaded = library(); // Within a test, Deno would count that as a leak.

const PLATFORM_PACKAGE = `@dipper/dipper-${Deno.build.os}-${Deno.build.arch}`;
const COMMAND = "deno task build";

function errorOf({ error, stderr }: Loaded): string {
  assert(error !== null, "it did not load");
  assertEquals([error.name, error.code, error.operation, stderr], [
    "UnsupportedError",
    "LibraryNotLoaded",
    "load",
    "",
  ]);
  assertStringIncludes(error.message, COMMAND);
  return error.message;
}

Deno.test("symbols.ts belongs to the library", () => {
  assertEquals(loaded.native.abiHash(), ABI_HASH);
  assert(Number.isSafeInteger(ABI_HASH));
});

Deno.test("the library is loaded once", () => {
  assertEquals(library(), loaded);
});

Deno.test("every declared function is in the library, and no other", async () => {
  const { code, stdout } = await new Deno.Command("nm", {
    args: ["-D", "--defined-only", loaded.path],
  }).output().catch(() => ({ code: 1, stdout: new Uint8Array() }));
  if (code !== 0) return; // No binutils here.
  const exported = new TextDecoder().decode(stdout).match(/\bdipper_\w+/g) ?? [];
  assertEquals(new Set(exported), new Set(Object.keys(symbols)));
});

Deno.test("a copy of the module loads the library beside it", async () => {
  await using tree = await Tree.copy();
  await tree.link();
  assertEquals(await tree.load(), { error: null, stderr: "" });
});

Deno.test("a library of another version is refused, naming both and the remedy", async () => {
  await using tree = await Tree.copy();
  await tree.link();
  await tree.change(
    "ffi/symbols.ts",
    (text) => text.replace(`ABI_HASH = ${ABI_HASH}`, `ABI_HASH = ${ABI_HASH + 1}`),
  );
  const message = errorOf(await tree.load());
  assertStringIncludes(message, ABI_HASH.toString(16));
  assertStringIncludes(message, (ABI_HASH + 1).toString(16));
  assertStringIncludes(message, tree.library);
});

Deno.test("without a library, each place is listed with the reason", async () => {
  await using tree = await Tree.copy();
  const message = errorOf(await tree.load());
  assert(!message.includes("- DIPPER_LIBRARY"), "the variable is not set");
  assertStringIncludes(message, `the build output: ${tree.library}: `);
  assertStringIncludes(message, `the npm package ${PLATFORM_PACKAGE}: not installed`);
});

Deno.test("a DIPPER_LIBRARY that points nowhere is listed first", async () => {
  await using tree = await Tree.copy();
  const variable = "/nowhere/libdipper.so";
  const message = errorOf(await tree.load({ variable }));
  const places = [`DIPPER_LIBRARY: ${variable}: `, tree.library, PLATFORM_PACKAGE];
  const found = places.map((place) => message.indexOf(place));
  assert(found.every((at) => at >= 0), message);
  assertEquals(found, found.toSorted((a, b) => a - b));
});

Deno.test("DIPPER_LIBRARY is taken where it is set, and where it may be read", async () => {
  await using tree = await Tree.copy();
  assertEquals((await tree.load({ variable: loaded.path })).error, null);
  const message = (await tree.load({
    variable: loaded.path,
    flags: ["--allow-ffi"],
  })).error?.message ?? "";
  assert(!message.includes(loaded.path), "a variable that may not be read is not looked at");
  assertStringIncludes(message, tree.library);
});

Deno.test("a file that is no library is named with the reason", async () => {
  await using tree = await Tree.copy();
  await tree.put("this is no library\n");
  const message = errorOf(await tree.load());
  assertStringIncludes(message, `${tree.library}: `);
  assert(/invalid ELF|too short|not a mach-o|header/i.test(message), message);
});

Deno.test("a folder, an empty file and somebody else's library are refused", async () => {
  await using tree = await Tree.copy();
  await tree.put("");
  const libraries = [tree.path, tree.library];
  for (const libc of ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6"]) {
    if (await Deno.stat(libc).then(() => true, () => false)) libraries.push(libc);
  }
  for (const variable of libraries) {
    const message = errorOf(await tree.load({ variable }));
    assertStringIncludes(message, `DIPPER_LIBRARY: ${variable}: `);
  }
});

Deno.test("importing loads nothing: it works without a library and without permissions", async () => {
  await using tree = await Tree.copy();
  await Deno.writeTextFile(
    `${tree.path}/load.ts`,
    'import * as dipper from "./mod.ts";\n' +
      "new dipper.S3Client(); dipper.file('s3://bucket/key').slice(1);\n" +
      'console.log(JSON.stringify(typeof dipper.LocalS3 === "function" ? null : {}));\n',
  );
  assertEquals(await tree.load({ flags: [] }), { error: null, stderr: "" });
});

Deno.test("without --allow-ffi the missing flag is named with its path", async () => {
  await using tree = await Tree.copy();
  await tree.link();
  const { error } = await tree.load({ flags: [] });
  assertEquals([error?.name, error?.code], ["PermissionError", "PermissionDenied"]);
  assertStringIncludes(error?.message ?? "", `--allow-ffi=${tree.library}`);
});

Deno.test("--allow-ffi for the one file is enough", async () => {
  await using tree = await Tree.copy();
  await tree.link();
  const flags = [`--allow-ffi=${tree.library}`];
  assertEquals(await tree.load({ flags }), { error: null, stderr: "" });
});
