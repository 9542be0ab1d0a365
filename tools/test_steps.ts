/**
 * The steps of `deno task test`, in the order in which they start when there is room: what others
 * wait for, what fails soonest, what takes longest.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type run, say, Unavailable } from "./commands.ts";
import { runFuzz } from "./fuzz.ts";
import { checks } from "./ok.ts";
import { cachePath, cargoTarget, ci, deno, root, UNOPTIMISED } from "./repository.ts";
import { runSanitizer } from "./sanitizer.ts";
import {
  add,
  cargoCounts,
  type Counts,
  junitCounts,
  none,
  one,
  pythonCounts,
  settle,
} from "./test_counts.ts";
import { startLocalS3 } from "./test_servers/local_s3.ts";
import { startProgram } from "./test_servers/test_server.ts";
import type { Scheduled } from "./test_schedule.ts";
import type { TestSupplies } from "./test_supplies.ts";

/** What a step works with. */
export interface StepContext {
  /** What steps share. */
  supplies: TestSupplies;
  /** Aborted at the step's timeout and by Ctrl-C. */
  signal: AbortSignal;
  /** Runs a program. */
  run: typeof run;
}

/** A part of the test run. */
export interface Step extends Scheduled {
  /** How long it may take. */
  minutes: number;
  /** Runs it and counts its tests. */
  run(context: StepContext): Promise<Counts>;
}

/** All steps. Each folder of `tests/` with Deno tests is one. */
export async function steps(): Promise<Step[]> {
  const clippy = (name: string): boolean => name === "clippy";
  const folders = await testFolders();
  const first = (path: string): boolean => LONG.includes(path);
  return [
    library,
    suppliesStep("supplies", folders, false),
    ...checks.filter(({ name }) => !clippy(name)).map(checkStep),
    suppliesStep("supplies by cargo", folders, true),
    ...folders.filter(({ path }) => first(path)).map(denoStep),
    ...checks.filter(({ name }) => clippy(name)).map(checkStep),
    rust,
    sanitizer,
    fuzz,
    boto3,
    ...folders.filter(({ path }) => !first(path)).map(denoStep),
    documentation,
  ];
}

/** What takes longest, most of it waiting. */
const LONG = ["tests/faults", "tests/notebooks"];

/** What compiles. One is enough for all processors, and cargo's lock lets one at a time anyway. */
const COMPILES = { keeps: ["cargo"] };

/** What loads the library, or shares its artefacts. */
const NEEDS_LIBRARY = { after: ["library"] };

function checkStep(check: (typeof checks)[number]): Step {
  return {
    name: `ok ${check.name}`,
    minutes: 20,
    ...(check.name === "clippy" && { ...COMPILES, ...NEEDS_LIBRARY }),
    run: async ({ signal }) => one(await check.run({ signal })),
  };
}

const library: Step = {
  name: "library",
  minutes: 40,
  ...COMPILES,
  run: async ({ run, signal }) => {
    const { success } = await run(deno, ["run", "--allow-all", "tools/build.ts"], {
      signal,
      yields: true,
    });
    return one(success);
  },
};

/** What the folders need, made early: what is fetched and compiled by others, or by our cargo. */
function suppliesStep(name: string, folders: TestFolder[], byCargo: boolean): Step {
  const wanted = NEEDS.filter((need) =>
    (need.byCargo ?? false) === byCargo && folders.some(({ needs }) => needs.includes(need))
  );
  return {
    name,
    minutes: 30,
    ...(byCargo && { ...COMPILES, ...NEEDS_LIBRARY }),
    run: async ({ supplies }) => {
      const made = await Promise.all(wanted.map(async ({ get }) => {
        try {
          await get(supplies);
          return one(true);
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error;
          say(error.message);
          return ci ? { ...one(false), failures: [error.message] } : { ...none(), skipped: 1 };
        }
      }));
      return made.reduce(add, none());
    },
  };
}

const rust: Step = {
  name: "rust",
  minutes: 40,
  ...COMPILES,
  ...NEEDS_LIBRARY,
  run: async ({ run, signal }) => {
    // The library's profile, so that the SDK is compiled once. The engine itself is compiled for its
    // tests again: without optimisation that takes a third of the time. The tests in TypeScript run
    // the optimised one.
    const test = ["test", "--release", "--locked", "--workspace", "--no-fail-fast", ...UNOPTIMISED];
    const options = { signal, env: { CARGO_TARGET_DIR: cargoTarget() } };
    // What compiles gives way, what is tested does not.
    const compiled = await run("cargo", [...test, "--no-run"], { ...options, yields: true });
    if (!compiled.success) return one(false);
    const { success, output } = await run("cargo", test, options);
    return settle(cargoCounts(output), success);
  },
};

const sanitizer: Step = {
  name: "sanitizer",
  minutes: 20,
  ...COMPILES,
  run: ({ signal }) => runSanitizer({ signal }),
};

/** How long each target runs in the tests; `deno task soak` runs them longer. */
const FUZZ_SECONDS = 6;

const fuzz: Step = {
  name: "fuzz",
  minutes: 30,
  ...COMPILES,
  ...NEEDS_LIBRARY,
  run: ({ signal }) => runFuzz({ signal, seconds: FUZZ_SECONDS }),
};

const boto3: Step = {
  name: "boto3 against LocalS3",
  minutes: 20,
  ...COMPILES,
  ...NEEDS_LIBRARY,
  run: async ({ run, signal, supplies }) => {
    const python = await supplies.python();
    await using server = await startLocalS3({ signal });
    let counts = none();
    // The second starts the program of the first itself, to kill it.
    for (const script of ["boto3_conformance.py", "kill_nine.py"]) {
      const options = { signal, env: server.environment };
      const { success, output } = await run(
        python,
        [join("tests", "local_s3", script)],
        options,
      );
      counts = add(counts, settle(pythonCounts(output), success));
    }
    return counts;
  },
};

/** Where the documentation is: in doc comments and in Markdown. Rooms that are not there yet are left out. */
const DOCUMENTED = [
  ...["mod.ts", "ffi", "client", "bridges", "table", "storage", "jupyter", "sql", "cli"],
  ...["README.md", "docs"],
];

/** The examples in the documentation, run as they are printed. */
const documentation: Step = {
  name: "documentation examples",
  minutes: 20,
  ...NEEDS_LIBRARY,
  run: async ({ run, signal, supplies }) => {
    const flags = await supplies.moduleFlags();
    await using bucket = await startProgram(
      deno,
      ["run", "--allow-all", ...flags, join("tools", "test_servers", "example_bucket.ts")],
      { signal },
    );
    const there = DOCUMENTED.filter((path) => existsSync(join(root, path)));
    // No sanitizers: an example's first call loads the library, which stays loaded.
    return await denoTest(["--doc", ...flags, ...there], bucket.ready, { run, signal });
  },
};

/** What a folder's tests may need, and where they find it. */
const NEEDS: readonly Need[] = [
  { variable: "DIPPER_TEST_VERSITYGW_", get: async (all) => (await all.versitygw()).environment },
  {
    variable: "DIPPER_TEST_FAULTS_",
    byCargo: true,
    get: async (all) => (await all.faults()).environment,
  },
  { variable: "DIPPER_TEST_TOXIPROXY_", get: async (all) => (await all.toxiproxy()).environment },
  { variable: "DIPPER_TEST_KAFKA_", get: async (all) => (await all.kafka()).environment },
  {
    variable: "DIPPER_TEST_PYTHON",
    get: async (all) => ({ DIPPER_TEST_PYTHON: await all.python() }),
  },
  {
    variable: "DIPPER_TEST_SPARK_FILES",
    get: async (all) => ({ DIPPER_TEST_SPARK_FILES: await all.sparkFiles() }),
  },
  {
    variable: "DIPPER_TEST_JUPYTERLAB",
    get: async (all) => ({ DIPPER_TEST_JUPYTERLAB: await all.jupyterLab() }),
  },
  {
    variable: "DIPPER_TEST_CHROMIUM",
    get: async (all) => ({ DIPPER_TEST_CHROMIUM: await all.chromium() }),
  },
];

interface Need {
  /** The variable, or how several of them start. */
  variable: string;
  /** Our cargo compiles it, after the library. */
  byCargo?: boolean;
  /** Makes it. */
  get(supplies: TestSupplies): Promise<Record<string, string>>;
}

/** Folders that do not run beside everything. */
const BESIDE: Readonly<Record<string, Partial<Scheduled>>> = {
  // They compile.
  "tests/docs": COMPILES,
  "tests/tools": COMPILES,
  // They fill gigabytes.
  "tests/bridges": { keeps: ["memory"] },
  "tests/memory": { keeps: ["memory", "cargo"] },
};

interface TestFolder {
  /** Relative to the repository. */
  path: string;
  /** What its sources name. */
  needs: Need[];
}

function denoStep({ path, needs }: TestFolder): Step {
  return {
    name: path,
    minutes: 30,
    ...NEEDS_LIBRARY,
    ...BESIDE[path],
    run: async ({ run, signal, supplies }) => {
      const flags = await supplies.moduleFlags();
      const env: Record<string, string> = {};
      for (const need of needs) Object.assign(env, await orWithout(() => need.get(supplies)));
      // The tests directly in tests/, and not those of its folders, which are steps of their own.
      const what = path === "tests" ? await testFiles(path) : [`${path}/`];
      const sanitizers = ["--sanitize-ops", "--sanitize-resources"];
      return await denoTest([...sanitizers, ...flags, ...what], env, { run, signal });
    },
  };
}

/** On a user's machine the tests that need what is missing skip themselves; on CI it is a failure. */
async function orWithout(
  supply: () => Promise<Record<string, string>>,
): Promise<Record<string, string>> {
  try {
    return await supply();
  } catch (error) {
    if (ci || !(error instanceof Unavailable)) throw error;
    say(`Without it, some tests are skipped: ${error.message}`);
    return {};
  }
}

async function denoTest(
  args: string[],
  env: Record<string, string>,
  { run, signal }: Pick<StepContext, "run" | "signal">,
): Promise<Counts> {
  const report = cachePath(`junit-${crypto.randomUUID()}.xml`);
  try {
    const { success } = await run(deno, [
      "test",
      "--allow-all",
      "--v8-flags=--expose-gc",
      `--junit-path=${report}`,
      ...args,
    ], { signal, env });
    // There is no report when a type is wrong or the process dies.
    const text = await Deno.readTextFile(report).catch(() => "");
    return settle(text ? junitCounts(text) : none(), success);
  } finally {
    await Deno.remove(report).catch(() => {});
  }
}

/** `tests/` itself and the folders directly below it that hold Deno tests. */
async function testFolders(): Promise<TestFolder[]> {
  const folders: TestFolder[] = [];
  const paths = ["tests"];
  for await (const entry of Deno.readDir(join(root, "tests"))) {
    if (entry.isDirectory) paths.push(`tests/${entry.name}`);
  }
  for (const path of paths.sort()) {
    if ((await testFiles(path)).length === 0) continue;
    const sources = await sourcesOf(path);
    folders.push({
      path,
      needs: NEEDS.filter(({ variable }) => sources.includes(variable)),
    });
  }
  return folders;
}

async function testFiles(path: string): Promise<string[]> {
  const files: string[] = [];
  for await (const entry of Deno.readDir(join(root, path))) {
    if (entry.isFile && /_test\.tsx?$/.test(entry.name)) files.push(`${path}/${entry.name}`);
  }
  return files.sort();
}

async function sourcesOf(path: string): Promise<string> {
  const texts: string[] = [];
  for await (const entry of Deno.readDir(join(root, path))) {
    if (entry.isFile && /\.tsx?$/.test(entry.name)) {
      texts.push(await Deno.readTextFile(join(root, path, entry.name)));
    }
  }
  return texts.join("\n");
}
