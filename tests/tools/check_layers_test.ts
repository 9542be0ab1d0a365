/**
 * Plants violations in a small tree and sees each of them caught, and nothing else.
 */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { dirname, join } from "node:path";
import { checkLayers } from "../../tools/check_layers.ts";
import { root } from "../../tools/repository.ts";
import { imports, scanRust, scanTypeScript } from "../../tools/source_scan.ts";

/** A tree that keeps every rule. */
const clean: Record<string, string> = {
  "mod.ts": `/**
 * \`\`\`ts
 * import { file } from "dipper";
 * \`\`\`
 */
export { file } from "./storage/file.ts";
`,
  "ffi/library.ts": `export const open = Deno.dlopen; export type P = Deno.UnsafePointer;\n`,
  "client/client.ts": `import { open } from "../ffi/library.ts";\nexport const client = open;\n`,
  "bridges/lines.ts": `import type { P } from "../ffi/library.ts";\nexport type Q = P;\n`,
  "storage/file.ts": `import { client } from "../client/client.ts";
import { plot } from "npm:plot@1.0.0/deep";
import { join } from "node:path";
import { show } from "../jupyter/show.ts";
// import "../mod.ts" and Deno.dlopen in a comment
const text = "from the ../mod.ts file" + \`import "x" \${"dlopen of"}\`;
export const file = [client, plot, join, show, text];
`,
  "jupyter/show.ts": `export * from "./html.ts";\n`,
  "jupyter/html.ts": `export const show = (text: string) => text.replace(/["'\`/]/g, "");\n`,
  "native/wire/Cargo.toml": `[package]\nname = "dipper-wire"\n[lints]\nworkspace = true\n`,
  "native/wire/src/lib.rs": `//! No unsafe here.\nconst A: &str = r#"unsafe "#; // unsafe\n`,
  "native/wire/src/raw.rs": `#![allow(unsafe_code)]\nunsafe fn f() {}\n`,
  "native/core/Cargo.toml":
    `[package]\nname = "dipper-core"\n[lints]\nworkspace = true\n[dependencies]\ndipper-wire.workspace = true\ntokio = "1"\n`,
  "native/local_s3/Cargo.toml":
    `[package]\nname = "dipper-local-s3"\n[lints]\nworkspace = true\n[dev-dependencies]\ndipper-core.workspace = true\n`,
  "native/capi/Cargo.toml":
    `[package]\nname = "dipper-capi"\n[lints]\nworkspace = true\n[dependencies]\ndipper-core.workspace = true\ndipper-wire.workspace = true\ndipper-local-s3 = { path = "../local_s3" }\n`,
};

/** Checks the clean tree with these files put in its place; "file:line" and a word of each. */
async function check(changes: Record<string, string>): Promise<[string, string][]> {
  const folder = await Deno.makeTempDir({ prefix: "dipper-layers-test-" });
  try {
    for (const [name, text] of Object.entries({ ...clean, ...changes })) {
      await Deno.mkdir(join(folder, dirname(name)), { recursive: true });
      await Deno.writeTextFile(join(folder, name), text);
    }
    const violations = await checkLayers(folder);
    return violations.map(({ file, line, message }) => [`${file}:${line}`, message]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Planted {
  name: string;
  file: string;
  text: string;
  line: number;
  message: RegExp;
}

const planted: Planted[] = [
  {
    name: "an import to the right",
    file: "ffi/bad.ts",
    text: `\nimport { client } from "../client/client.ts";\nexport { client };\n`,
    line: 2,
    message: /ffi imports .* leftward/,
  },
  {
    name: "a type import to the right",
    file: "client/bad.ts",
    text: `import type { file } from "../storage/file.ts";\nexport type F = typeof file;\n`,
    line: 1,
    message: /client imports .* leftward/,
  },
  {
    name: "an import over many lines",
    file: "ffi/bad.ts",
    text: `import {\n  client,\n} from "../client/client.ts";\nexport { client };\n`,
    line: 3,
    message: /leftward/,
  },
  {
    name: "a re-export to the right",
    file: "ffi/bad.ts",
    text: `export * from "../storage/file.ts";\n`,
    line: 1,
    message: /leftward/,
  },
  {
    name: "a dynamic import to the right",
    file: "ffi/bad.ts",
    text: `export const late = () => import("../mod.ts");\n`,
    line: 1,
    message: /leftward/,
  },
  {
    name: "an import between siblings",
    file: "table/bad.ts",
    text: `export * from "../bridges/lines.ts";\n`,
    line: 1,
    message: /siblings/,
  },
  {
    name: "an import of ours in jupyter",
    file: "jupyter/bad.ts",
    text: `export * from "../ffi/library.ts";\n`,
    line: 1,
    message: /jupyter imports nothing of ours/,
  },
  {
    name: "an import of what is no room",
    file: "storage/bad.ts",
    text: `export * from "../tools/build.ts";\n`,
    line: 1,
    message: /tools is no room/,
  },
  {
    name: "Deno.dlopen outside ffi",
    file: "storage/bad.ts",
    text: `/* Deno.dlopen */\nexport const x = Deno.dlopen;\n`,
    line: 2,
    message: /dlopen is named outside ffi/,
  },
  {
    name: "dlopen taken out of Deno",
    file: "client/bad.ts",
    text: `const { dlopen } = Deno;\nexport { };\n`,
    line: 1,
    message: /dlopen/,
  },
  {
    name: "dlopen by its name in quotes",
    file: "client/bad.ts",
    text: `export const x = Deno["dlopen"];\n`,
    line: 1,
    message: /dlopen/,
  },
  {
    name: "an Unsafe class inside a template",
    file: "jupyter/bad.ts",
    text: "export const x = `${`a}` + 1} ${Deno.UnsafePointerView}`;\n",
    line: 1,
    message: /UnsafePointerView/,
  },
  {
    name: "a bare specifier reached from mod.ts",
    file: "client/client.ts",
    text: `import { assert } from "@std/assert";\nexport const client = assert;\n`,
    line: 1,
    message: /"@std\/assert" is reached from mod.ts/,
  },
  {
    name: "a URL reached from mod.ts",
    file: "client/client.ts",
    text: `export { client } from "https://example.com/x.ts";\n`,
    line: 1,
    message: /neither relative/,
  },
  {
    name: "a package named in a second file",
    file: "client/client.ts",
    text: `export { client } from "npm:plot@2";\n`,
    line: 2,
    message: /plot is already named/,
  },
  {
    name: "a crate that uses one beside it",
    file: "native/local_s3/Cargo.toml",
    text:
      `[package]\nname = "dipper-local-s3"\n[lints]\nworkspace = true\n[dependencies]\ndipper-core.workspace = true\n`,
    line: 6,
    message: /local_s3 uses core; it may use nothing of ours/,
  },
  {
    name: "a crate that uses one above it, in a table of its own and renamed",
    file: "native/wire/Cargo.toml",
    text:
      `[package]\nname = "dipper-wire"\n[lints]\nworkspace = true\n[target.'cfg(unix)'.dependencies.other]\npackage = "dipper-capi"\npath = "../capi"\n`,
    line: 6,
    message: /wire uses capi/,
  },
  {
    name: "a crate without the workspace's lints",
    file: "native/core/Cargo.toml",
    text: `[package]\nname = "dipper-core"\n[dependencies]\ndipper-wire.workspace = true\n`,
    line: 1,
    message: /lints/,
  },
  {
    name: "unsafe code in a file that does not say so",
    file: "native/core/src/lib.rs",
    text: `// unsafe\nfn f<'a>(x: &'a str) { let c = '"'; unsafe { g(x) } }\n`,
    line: 2,
    message: /does not open with/,
  },
  {
    name: "an unsafe attribute in a file that does not say so",
    file: "native/core/src/lib.rs",
    text: `/* /* */ unsafe */\n#[unsafe(no_mangle)]\nextern "C" fn f() {}\n`,
    line: 2,
    message: /does not open with/,
  },
  {
    name: "unsafe code allowed for one item",
    file: "native/core/src/lib.rs",
    text: `#[allow(unsafe_code)]\nmod raw;\n`,
    line: 1,
    message: /one item/,
  },
];

describe("tools/check_layers.ts", () => {
  it("finds nothing in a tree that keeps the rules", async () => {
    assertEquals(await check({}), []);
  });

  it("finds nothing in this repository", async () => {
    assertEquals(await checkLayers(root), []);
  });

  for (const { name, file, text, line, message } of planted) {
    it(`finds ${name}`, async () => {
      const found = await check({ [file]: text });
      const other = found.filter(([, what]) => !message.test(what));
      assertEquals(other, []);
      // A package named twice is reported at the file that is reached second.
      const places = found.map(([where]) => where);
      assertEquals(places.length, 1);
      if (!message.source.includes("already named")) assertEquals(places, [`${file}:${line}`]);
    });
  }
});

describe("tools/source_scan.ts", () => {
  it("tells a regular expression from a division", () => {
    const source = scanTypeScript(
      `const a = b / c; const d = "x" / 2; f(/"/); return /'/.test(g) || h[1] / i("j");`,
    );
    assertEquals(source.strings.map(({ text }) => text), ["x", "j"]);
  });

  it("keeps the line of an import after templates and comments", () => {
    const source = scanTypeScript("`\n${`\n`}\n`;\n/* \n */ import type { A } from './a.ts';");
    assertEquals(imports(source), [{ specifier: "./a.ts", line: 6 }]);
  });

  it("knows Rust's raw strings, characters and lifetimes", () => {
    const source = scanRust(
      `fn f<'a>() { r##"unsafe "# "##; '\\''; '"'; b"unsafe \\" x"; unsafe {} }`,
    );
    assertEquals(source.code.match(/unsafe/g)?.length, 1);
  });
});
