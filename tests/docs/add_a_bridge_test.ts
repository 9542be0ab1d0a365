/**
 * docs/add_a_bridge.md, followed to the letter: its files and lines are put into a copy of the
 * repository, the library is compiled there, and the tests that the page shows are run, those that
 * try to break the boundary too.
 *
 * What cargo compiled of others' crates is linked into the copy and not compiled again.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { dirname, join } from "node:path";
import { libraryName } from "../../tools/build.ts";
import { cargoTarget, ci, deno, root, UNOPTIMISED } from "../../tools/repository.ts";

const COPIED = [
  ...["Cargo.toml", "Cargo.lock", "deno.json", "mod.ts"],
  ...["native", "ffi", "client", "bridges", "table", "storage", "jupyter", "tools"],
  ...["tests/abi", "tests/bridges", "tests/memory", "tests/std_standins"],
];

/** A block of the page: what it holds, and how it starts. */
interface Block {
  language: string;
  text: string;
}

function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^( *)```(\w+)[^\n]*\n(.*?)^ *```$/gms)].map(
    ([, indent, language, body]) => ({
      language: language!,
      text: body!.split("\n").map((line) => line.slice(indent!.length)).join("\n"),
    }),
  );
}

class Copy {
  #left: Block[];

  constructor(readonly folder: string, readonly page: string) {
    this.#left = blocksOf(page).filter(({ language }) => language === "rust" || language === "ts");
  }

  /** Takes the next block, which must start so. */
  next(start: string): string {
    const { text } = this.#left.shift() ?? { text: "" };
    assert(text.startsWith(start), `"${text.slice(0, 80)}" is not "${start}"`);
    return text;
  }

  get left(): number {
    return this.#left.length;
  }

  async write(path: string, text: string): Promise<void> {
    assertStringIncludes(this.page, `\`${path}\``);
    await Deno.writeTextFile(join(this.folder, path), text);
  }

  async read(path: string): Promise<string> {
    return await Deno.readTextFile(join(this.folder, path));
  }

  /** Puts text before or behind what is in a file once. */
  async insert(path: string, where: "before" | "behind", anchor: string, text: string) {
    const before = await this.read(path);
    assertEquals(before.split(anchor).length, 2, `"${anchor}" is in ${path} once`);
    const both = where === "before" ? text + anchor : anchor + text;
    await Deno.writeTextFile(join(this.folder, path), before.replace(anchor, () => both));
  }

  async run(program: string, args: string[]) {
    // Where `CI` is set, nothing is rendered; another library would not have the example.
    const { CI: _, DIPPER_LIBRARY: __, ...env } = Deno.env.toObject();
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args,
      cwd: this.folder,
      clearEnv: true,
      env: {
        ...env,
        NO_COLOR: "1",
        CARGO_TERM_COLOR: "never",
        CARGO_TARGET_DIR: join(this.folder, "target"),
        DIPPER_STD_STANDINS: "1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const [told = "", said = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, told, output: `${told}\n${said}` };
  }

  async must(program: string, args: string[]): Promise<string> {
    const { code, told, output } = await this.run(program, args);
    assertEquals(code, 0, `${program} ${args.join(" ")}\n${output.slice(-6000)}`);
    return told;
  }

  /** The flags that make the imports of tests resolve. */
  async flags(): Promise<string[]> {
    return (await this.must(deno, ["run", "-A", "tools/import_map.ts"])).trim().split(/\s+/);
  }
}

async function copy(from: string, to: string, keep: (name: string) => boolean, link = false) {
  if ((await Deno.stat(from)).isFile) {
    await Deno.mkdir(dirname(to), { recursive: true });
    await (link ? Deno.link(from, to) : Deno.copyFile(from, to));
    return;
  }
  await Deno.mkdir(to, { recursive: true });
  for await (const { name } of Deno.readDir(from)) {
    if (keep(name)) await copy(join(from, name), join(to, name), keep, link);
  }
}

/** What cargo compiled of others' crates. */
const compiled = join(cargoTarget(), "release");
const isThere = await Deno.stat(join(compiled, "deps")).then(() => true, () => false);

/** The names of the functions that a declaration has. */
function functionsOf(text: string): string[] {
  return [...text.matchAll(/fn (dipper_\w+)\(/g)].map(([, name]) => name!);
}

describe("add_a_bridge.md, followed", { ignore: !isThere && !ci }, () => {
  let made: Copy;
  beforeAll(async () => {
    // Beside what is linked: a link does not reach another file system.
    const folder = join(cargoTarget(), `add-a-bridge-${crypto.randomUUID()}`);
    for (const path of COPIED) await copy(join(root, path), join(folder, path), () => true);
    const others = (name: string): boolean => !/dipper/.test(name) && name !== "incremental";
    for (const part of ["deps", "build", ".fingerprint"]) {
      const to = join(folder, "target", "release", part);
      await copy(join(compiled, part), to, others, true);
    }
    made = new Copy(folder, await Deno.readTextFile(join(root, "docs", "add_a_bridge.md")));
  });
  afterAll(() => Deno.remove(made.folder, { recursive: true }));

  it("1 to 4: the Rust of the page goes where it says", async () => {
    const { page } = made;
    await made.write("native/core/src/byte_counts.rs", made.next("//! How often each byte"));
    const core = "native/core/src/lib.rs";
    for (const line of ["mod byte_counts;", "pub use byte_counts::ByteCounts;"]) {
      assertStringIncludes(page, `\`${line}\``);
    }
    await made.insert(core, "before", "\nmod client;\n", "\nmod byte_counts;");
    await made.insert(core, "before", "\npub use client::", "\npub use byte_counts::ByteCounts;");

    const kinds = "native/capi/src/declaration.rs";
    const variant = made.next("/// Counts of bytes.");
    await made.insert(kinds, "before", "}\n\nimpl Role {", variant);
    await made.insert(kinds, "behind", "HANDLES: &'static [Self] = &[\n", made.next("Self::"));
    const constant = made.next("/// Counts of bytes.");
    await made.insert(kinds, "behind", "pub mod kind {\n", constant);

    await made.write("native/capi/src/byte_counts.rs", made.next("//! Counts of bytes that"));
    await made.insert("native/capi/src/lib.rs", "before", "\nmod asks;\n", "\nmod byte_counts;");
    const isolate = "native/capi/src/isolate.rs";
    await made.insert(isolate, "behind", "use crate::{asks, ", "byte_counts, ");
    const released = "        asks::release_of(queue);\n";
    await made.insert(isolate, "behind", released, made.next("byte_counts::release_of"));

    const declared = made.next("/// Makes a count of bytes");
    assertEquals(functionsOf(declared).length, 4);
    const abi = "native/capi/src/abi.rs";
    await made.insert(abi, "behind", "abi! {\n", declared);
    await made.insert(abi, "behind", "use crate::{asks, ", "byte_counts, ");
  });

  it("4: the boundary is rendered once, and the test fails that once", async () => {
    const args = ["test", "--release", "--locked", "-p", "dipper-capi", "--lib"];
    const first = await made.run("cargo", [...args, ...UNOPTIMISED, "render"]);
    assert(first.code !== 0 && /symbols\.ts/.test(first.output), first.output.slice(-6000));
    await made.must("cargo", [...args, ...UNOPTIMISED, "render"]);
    const symbols = await made.read("ffi/symbols.ts");
    for (const part of ["byteCountsNew(", "ByteCountsHandle", "dipper_byte_counts_read: {"]) {
      assertStringIncludes(symbols, part);
    }
  });

  it("5 to 7: its TypeScript goes where it says, and is checked", async () => {
    await made.write("ffi/native_byte_counts.ts", made.next("// A count of bytes"));
    await made.write("bridges/byte_counts.ts", made.next("// How often each byte"));
    const exported = 'export { ByteCounts } from "./bridges/byte_counts.ts";';
    assertStringIncludes(made.page, `\`${exported}\``);
    const module = join(made.folder, "mod.ts");
    await Deno.writeTextFile(module, `${await made.read("mod.ts")}\n${exported}\n`);
    await made.write("tests/bridges/byte_counts_test.ts", made.next("/** Counts of bytes"));

    const entries = made.next("dipper_byte_counts_new:");
    const garbage = "tests/abi/garbage_test.ts";
    await made.insert(garbage, "behind", "(handle: number) => number> = {\n", entries);
    const kind = made.next('("ByteCountsHandle", ').match(/\d+/)![0];
    assertStringIncludes(
      await made.read("native/capi/src/declaration.rs"),
      `BYTE_COUNTS: u8 = ${kind};`,
    );
    assertEquals(made.left, 0, "every block of Rust and TypeScript was used");

    const flags = await made.flags();
    await made.must(deno, ["check", ...flags, "mod.ts", "tests/bridges/byte_counts_test.ts"]);
    await made.must(deno, ["run", "-A", ...flags, "tools/check_layers.ts"]);
    await made.must(deno, ["lint", "bridges/byte_counts.ts", "ffi/native_byte_counts.ts"]);
  });

  it("7: its tests pass, and those that try to break the boundary", async () => {
    const built = ["build", "--release", "--locked", "-p", "dipper-capi"];
    await made.must("cargo", [...built, ...UNOPTIMISED]);
    await Deno.mkdir(join(made.folder, "build"));
    await Deno.rename(
      join(made.folder, "target", "release", libraryName),
      join(made.folder, "build", libraryName),
    );
    const flags = await made.flags();
    const test = ["test", "-A", "--no-check", "--v8-flags=--expose-gc", ...flags];
    const own = await made.must(deno, [...test, "tests/bridges/byte_counts_test.ts"]);
    const [, passed] = /(\d+) passed/.exec(own) ?? [];
    const shown = (await made.read("tests/bridges/byte_counts_test.ts")).match(/^memoryTest\(/gm);
    assertEquals(Number(passed), shown?.length);
    const boundary = await made.must(deno, [...test, "tests/abi/garbage_test.ts"]);
    assertStringIncludes(boundary, "dipper_byte_counts_read: garbage handles are refused");
  });
});
