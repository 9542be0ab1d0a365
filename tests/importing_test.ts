// What `import "dipper"` loads: dipper's own modules, not too many, and no package. A bench case
// measures the time (benches/importing.ts).

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";

const MOD = new URL("../mod.ts", import.meta.url).href;
/**
 * What may be loaded at once. Importing may take 30 ms, and each module and each byte is a part of that:
 * if this fails, import what few programs use where it is used. See "Importing" in ARCHITECTURE.md.
 */
const MOST_MODULES = 105;
const MOST_KILOBYTES = 586;
/** What is loaded by the calls that need it. */
const LATER = [
  /\/jupyter\/(?!.*_facts\.ts$)(show_|content_|parquet_|arrow_|plot_|view|html|table_view|svg_)/,
  /\/table\/(?!dialect|table_options|file_array)/,
  /\/storage\/(byte_reading|pump|upload_sink|upload|download|sync|copy_tree|delete_many|many_|presign|listing_walk|usage_tally)\.ts$/,
  /\/(line_iterator|batches|plot_drawing|pump_|parallel_count|diagnose|messages|native_table_)\.ts$/,
];

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function runDeno(
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    ...options,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Runs a program in a foreign folder, without any permission. */
async function runAlone(program: string, env: Record<string, string> = {}): Promise<Ended> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const flags = ["--no-prompt", "--no-check", "--no-config", "--no-lock"];
    return await runDeno(["run", ...flags, "program.ts"], { cwd: folder, env });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A cache of Deno's that holds nothing, and a registry that does not answer. */
async function withEmptyCache(use: (env: Record<string, string>) => Promise<void>): Promise<void> {
  const cache = await Deno.makeTempDir();
  try {
    await use({ DENO_DIR: cache, NPM_CONFIG_REGISTRY: "http://127.0.0.1:9/" });
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

it("importing loads some of dipper's own modules and nothing else", async () => {
  const { code, stdout, stderr } = await runDeno(["info", "--json", "--no-config", MOD]);
  assertEquals(code, 0, stderr);
  const graph = JSON.parse(stdout) as {
    modules: {
      specifier: string;
      size?: number;
      dependencies?: { isDynamic?: boolean; code?: { specifier: string } }[];
    }[];
  };
  const modules = new Map(graph.modules.map((module) => [module.specifier, module]));
  const loaded = new Set<string>();
  const next = [MOD];
  for (let one = next.pop(); one !== undefined; one = next.pop()) {
    if (loaded.has(one)) continue;
    loaded.add(one);
    for (const { isDynamic, code } of modules.get(one)?.dependencies ?? []) {
      if (code !== undefined && !isDynamic) next.push(code.specifier);
    }
  }
  assert(loaded.size > 50);
  assert(loaded.size <= MOST_MODULES, `${loaded.size} modules are loaded`);
  assertEquals([...loaded].filter((name) => !name.startsWith("file:")), []);
  assertEquals([...loaded].filter((name) => LATER.some((later) => later.test(name))), []);
  const sizes = [...loaded].map((name) => modules.get(name)?.size ?? 0);
  const kilobytes = sizes.reduce((sum, size) => sum + size, 0) / 1000;
  assert(kilobytes > 100 && kilobytes <= MOST_KILOBYTES, `${kilobytes} KB are loaded`);
  for (const name of loaded) {
    const source = await Deno.readTextFile(new URL(name));
    // deno-lint-ignore no-control-regex
    const other = /[^\x00-\x7f]/.exec(source)?.[0];
    assertEquals(other, undefined, `${name} holds ${other}: write it as an escape`);
  }
});

it("importing asks for no package, also where none was ever loaded", async () => {
  await withEmptyCache(async (env) => {
    const { code, stdout, stderr } = await runAlone(
      `import * as dipper from ${JSON.stringify(MOD)};
       console.log(typeof dipper.help, dipper.plot([1, 2]));`,
      env,
    );
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /^function Figure: /);
    assertEquals(/download|npm/i.exec(stderr), null, stderr);
  });
});

it("a plot that cannot be drawn for want of its library says what to do", async () => {
  await withEmptyCache(async (env) => {
    const { code, stdout, stderr } = await runAlone(
      `import { plot, UnsupportedError } from ${JSON.stringify(MOD)};
       const error = await plot([1, 2]).svg().catch((error) => error);
       console.log(error instanceof UnsupportedError, error.message);`,
      env,
    );
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "true Observable Plot cannot be loaded: ");
    assertStringIncludes(stdout, "run `deno cache npm:@observablehq/plot@");
  });
});

it("help asks for the one permission that it needs", async () => {
  const { code, stdout, stderr } = await runAlone(
    `import { help, PermissionError } from ${JSON.stringify(MOD)};
     try {
       help("file");
     } catch (error) {
       console.log(error instanceof PermissionError, error.message);
     }`,
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^true .*; run with --allow-read=\/.*\/storage\/help_pages\.json\n$/);
});

it("a plot is drawn without any permission", async () => {
  const { code, stdout, stderr } = await runAlone(
    `import { plot } from ${JSON.stringify(MOD)};
     const column = Float64Array.from({ length: 100 }, (_, i) => Math.sin(i));
     const figure = plot((Plot) => ({
       color: { legend: true },
       marks: [Plot.dot({ length: 100 }, { x: column, y: column, fill: column })],
     }));
     for (const one of [plot(column), figure]) console.log((await one.svg()).slice(0, 4));`,
  );
  assertEquals(code, 0, stderr);
  assertEquals(stdout, "<svg\n<svg\n");
});
