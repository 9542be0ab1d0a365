/** The test runner with planted steps: what it counts, what it stops and how it ends. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { root } from "../../tools/repository.ts";

interface Ended {
  code: number;
  text: string;
  lastLine: string;
}

/** Runs the runner on steps written as source; `interrupt` sends Ctrl-C once the text appears. */
async function runner(
  steps: string,
  { words = [], ci = "", jobs = "3", interrupt }: {
    words?: string[];
    ci?: string;
    jobs?: string;
    interrupt?: string;
  } = {},
): Promise<Ended> {
  const program = `
    import { runTests } from "${new URL("../../tools/test.ts", import.meta.url)}";
    import { say, Unavailable } from "${new URL("../../tools/commands.ts", import.meta.url)}";
    void Unavailable;
    void say;
    const met = Promise.withResolvers();
    void met;
    const passed = { passed: 2, failed: 0, skipped: 0, failures: [] };
    Deno.exit(await runTests([${steps}], ${JSON.stringify(words)}));`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--allow-all", "--ext=ts", "-"],
    cwd: root,
    env: { CI: ci, DIPPER_TEST_JOBS: jobs, NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  let text = "";
  let lastLine = "";
  let interrupted = false;
  const read = async (from: ReadableStream<Uint8Array>, last: boolean): Promise<void> => {
    let output = "";
    for await (const chunk of from.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      output += chunk;
      if (interrupt && !interrupted && text.includes(interrupt)) {
        interrupted = true;
        child.kill("SIGINT");
      }
    }
    if (last) lastLine = output.trimEnd().split("\n").at(-1) ?? "";
  };
  const [{ code }] = await Promise.all([
    child.status,
    read(child.stdout, true),
    read(child.stderr, false),
  ]);
  return { code, text, lastLine };
}

const passes = `{ name: "passes", minutes: 1, run: () => Promise.resolve(passed) }`;
const fails =
  `{ name: "fails", minutes: 1, run: () => Promise.resolve({ ...passed, failed: 1, failures: ["this one"] }) }`;
const throws =
  `{ name: "throws", minutes: 1, run: () => Promise.reject(new Error("something broke")) }`;
const lacks =
  `{ name: "lacks", minutes: 1, run: () => Promise.reject(new Unavailable("needs gizmo")) }`;
const idle = `{ name: "idle", minutes: 1,
  run: () => Promise.resolve({ ...passed, passed: 0 }) }`;
/** Leaves a program behind in another that is waited for; says the inner one's id. */
function sleeps(minutes: number): string {
  return `{ name: "sleeps", minutes: ${minutes}, run: async ({ run, signal }) => {
    await run("sh", ["-c", "sleep 300 & echo inner $!; wait"], { signal });
    return passed;
  } }`;
}

function assertGone({ text }: Ended): void {
  const id = Number(/^inner (\d+)$/m.exec(text)?.[1]);
  assert(id > 0, text);
  let state = "gone";
  try {
    state = Deno.readTextFileSync(`/proc/${id}/stat`).split(") ")[1]?.[0] ?? "gone";
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  // A zombie has ended and waits for somebody to ask how.
  assert(state === "gone" || state === "Z", `the inner program is in state ${state}`);
}

/** A step that says when it begins and ends; `during` is what it does in between. */
function tells(name: string, { during = "", how = "" } = {}): string {
  return `{ name: "${name}", minutes: 1, ${how} run: async ({ run }) => {
    say("${name} begins");
    ${during}
    say("${name} ends");
    return passed;
  } }`;
}

const waits = "await new Promise((resolve) => setTimeout(resolve, 200));";

const linux = Deno.build.os === "linux";

describe("tools/test.ts", () => {
  it("goes on after a failure, and ends with one line of counts", async () => {
    const { code, text, lastLine } = await runner([fails, throws, passes].join());
    assertEquals(code, 1);
    assertEquals(lastLine, "4 passed, 2 failed");
    assertStringIncludes(text, "  fails: this one\n  throws: something broke\n");
  });

  it("succeeds when all pass", async () => {
    assertEquals((await runner(passes)).code, 0);
  });

  it("runs the steps that are asked for", async () => {
    const { code, lastLine } = await runner([fails, passes].join(), { words: ["pass"] });
    assertEquals([code, lastLine], [0, "2 passed, 0 failed"]);
    const none = await runner(passes, { words: ["nothing"] });
    assertEquals(none.code, 2);
    assertStringIncludes(none.text, "passes");
  });

  it("skips what it cannot get, and fails on CI", async () => {
    const user = await runner([lacks, passes].join());
    assertEquals([user.code, user.lastLine], [0, "2 passed, 0 failed"]);
    assertStringIncludes(user.text, "needs gizmo");
    const onCi = await runner([lacks, passes].join(), { ci: "true" });
    assertEquals([onCi.code, onCi.lastLine], [1, "2 passed, 1 failed"]);
  });

  it("does not take a step that ran no test for a success", async () => {
    const { code, lastLine } = await runner(idle);
    assertEquals([code, lastLine], [1, "0 passed, 1 failed"]);
  });

  it({
    name: "ends a step at its timeout, with all that it started",
    ignore: !linux,
    fn: async () => {
      const ended = await runner([sleeps(0.02), passes].join());
      assertEquals([ended.code, ended.lastLine], [1, "4 passed, 1 failed"]);
      assertMatch(ended.text, /took more than 0.02 minutes/);
      assertGone(ended);
    },
  });

  it({
    name: "ends at Ctrl-C, with all that it started",
    ignore: !linux,
    fn: async () => {
      const ended = await runner([sleeps(1), passes].join(), { interrupt: "inner" });
      assertEquals(ended.code, 130);
      assertMatch(ended.lastLine, /, 1 failed$/);
      assertStringIncludes(ended.text, "remaining steps did not run");
      assertGone(ended);
    },
  });

  it("runs steps beside each other, and shows what each writes in one piece", async () => {
    const { code, text } = await runner([
      tells("first", { during: 'await met.promise; await run("echo", ["a program"]);' }),
      tells("second", { during: "met.resolve();" }),
    ].join());
    assertEquals(code, 0, text);
    assertStringIncludes(text, "== first (1 of 2)\nfirst begins\na program\nfirst ends\n");
    assertStringIncludes(text, "\n== second (2 of 2)\nsecond begins\nsecond ends\n");
  });

  it("shows what ended behind what is shown before what still runs", async () => {
    const { text } = await runner([
      tells("shown", { during: `await met.promise; ${waits}` }),
      tells("long", { during: `await met.promise; ${waits} ${waits} ${waits}` }),
      tells("short", { during: "met.resolve();" }),
    ].join());
    assertMatch(text, /shown ends[^]*short begins\nshort ends[^]*long begins/);
  });

  /** How many steps were begun at each time, from what they wrote when they did. */
  async function mostAtOnce(steps: string[], jobs: string): Promise<number> {
    // Past the outputs, which are one after the other.
    const { code, text } = await runner(
      steps.map((how, i) =>
        tells(`s${i}`, { how, during: `console.log("+"); ${waits} console.log("-");` })
      ).join(),
      { jobs },
    );
    assertEquals(code, 0, text);
    let now = 0;
    let most = 0;
    for (const [sign] of text.matchAll(/^[+-]$/gm)) {
      now += sign === "+" ? 1 : -1;
      most = Math.max(most, now);
    }
    return most;
  }

  it("runs no more at once than it may", async () => {
    assertEquals(await mostAtOnce(["", "", "", ""], "2"), 2);
    assertEquals(await mostAtOnce(["", ""], "1"), 1);
  });

  it("runs none beside another that keeps the same, comes before it or is alone", async () => {
    const keeps = `keeps: ["a lock"],`;
    assertEquals(await mostAtOnce([keeps, keeps, ""], "3"), 2);
    assertEquals(await mostAtOnce(["", `after: ["s0"],`, `after: ["s1", "absent"],`], "3"), 1);
    assertEquals(await mostAtOnce(["", "alone: true,", ""], "3"), 2);
    assertEquals(await mostAtOnce(["alone: true,", "alone: true,"], "3"), 1);
  });

  it("tells of steps that wait for each other", async () => {
    const { code, text } = await runner([
      tells("hen", { how: `after: ["egg"],` }),
      tells("egg", { how: `after: ["hen"],` }),
    ].join());
    assertEquals(code, 1);
    assertStringIncludes(text, "these steps wait for each other: hen, egg");
  });

  it({
    name: "ends all that run at Ctrl-C, and shows what they wrote",
    ignore: !linux,
    fn: async () => {
      const there = await Deno.makeTempFile({ prefix: "dipper-runner-" });
      try {
        const shown = `{ name: "shown", minutes: 1, run: async ({ run, signal }) => {
          while (Deno.readTextFileSync("${there}") === "") {
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
          say("both run");
          await run("sleep", ["300"], { signal });
          return passed;
        } }`;
        const behind = `{ name: "behind", minutes: 1, run: async ({ run, signal }) => {
          await run("sh", ["-c", "sleep 300 & echo inner $! | tee ${there}; wait"], { signal });
          return passed;
        } }`;
        const ended = await runner([shown, behind].join(), { interrupt: "both run" });
        assertEquals(ended.code, 130);
        assertMatch(ended.lastLine, /, 2 failed$/);
        assertMatch(ended.text, /both run[^]*== behind[^]*inner \d/);
        assertGone(ended);
      } finally {
        await Deno.remove(there);
      }
    },
  });
});
