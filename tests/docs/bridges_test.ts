/**
 * docs/choosing_a_bridge.md and docs/add_a_bridge.md: what they name is there. The files of the
 * second one's example are not; what those import is.
 */
import { assert, assertEquals } from "@std/assert";
import { symbols } from "../../ffi/symbols.ts";

const root = new URL("../../", import.meta.url);

async function page(name: string): Promise<string> {
  return await Deno.readTextFile(new URL(`docs/${name}`, root));
}

async function source(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, root));
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(new URL(path, root)).then(() => true, () => false);
}

for (const name of ["choosing_a_bridge.md", "add_a_bridge.md"]) {
  Deno.test(`${name}: every file that it names is there`, async () => {
    const text = await page(name);
    const links = [...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, path]) => `docs/${path}`);
    const named = [...text.matchAll(/`((?:native|ffi|bridges|tests|fuzz|benches)\/[\w./]*)`/g)]
      .map(([, path]) => path!);
    assert(links.length > 0);
    for (const path of [...links, ...named]) {
      const ofExample = /byte_counts/.test(path);
      assertEquals(await exists(path), !ofExample, path);
    }
  });
}

Deno.test("choosing_a_bridge.md: every heading that its table leads to is there", async () => {
  const text = await page("choosing_a_bridge.md");
  const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replaceAll(/[^\w -]/g, "").replaceAll(" ", "-")
  );
  const targets = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, target]) => target!);
  assertEquals(targets.length, 7);
  for (const target of targets) assert(headings.includes(target), target);
});

Deno.test("add_a_bridge.md: the roles, the functions and the next kind are those of the boundary", async () => {
  const text = await page("add_a_bridge.md");
  const declaration = await source("native/capi/src/declaration.rs");
  const example = text.matchAll(/^ *fn dipper_byte_counts_\w+\((.*)\) -> (\w+) = /gm);
  const roles = [...example].flatMap(([, parameters, result]) => [
    ...[...parameters!.matchAll(/: (\w+)/g)].map(([, role]) => role!),
    result!,
  ]);
  assert(roles.length > 8);
  for (const role of new Set(roles)) {
    if (role !== "ByteCountsHandle") assert(declaration.includes(`    ${role},`), role);
  }
  for (const [, name] of text.matchAll(/`(dipper_[a-z_]+)`/g)) assert(name! in symbols, name);

  const kinds = [...declaration.matchAll(/pub const \w+: u8 = (\d+);/g)].map(([, kind]) => kind);
  const [, next] = /pub const BYTE_COUNTS: u8 = (\d+);/.exec(text) ?? [];
  assert(next !== undefined && !kinds.includes(next), `${next} is a kind of something else`);
});

Deno.test("add_a_bridge.md: what its TypeScript imports is exported there", async () => {
  const text = await page("add_a_bridge.md");
  const imports = [...text.matchAll(/^import (?:type )?\{([^}]+)\} from "\.+\/([^"]+)";$/gm)];
  let checked = 0;
  for (const [, names, path] of imports) {
    if (/byte_counts/.test(path!)) continue;
    const places = ["", "ffi/", "tests/"].map((room) => room + path);
    const there = await Promise.all(places.map(exists));
    const file = places[there.indexOf(true)];
    assert(file !== undefined, path);
    const exporting = await source(file);
    for (const name of names!.split(",").map((name) => name.replace("type ", "").trim())) {
      if (name === "ByteCountsHandle") continue;
      const exported = new RegExp(`export .*\\b${name}\\b|^  ${name},$`, "m");
      assert(exported.test(exporting), `${name} of ${file}`);
      checked++;
    }
  }
  assert(checked >= 10, String(checked));
});
