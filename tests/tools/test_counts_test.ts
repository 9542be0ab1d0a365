/** What the test runners write, and the counts that the runner takes from it. */
import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import {
  cargoCounts,
  type Counts,
  junitCounts,
  pythonCounts,
  settle,
} from "../../tools/test_counts.ts";

function counts(
  passed: number,
  failed: number,
  skipped: number,
  ...failures: string[]
): Counts {
  return { passed, failed, skipped, failures };
}

describe("cargo", () => {
  it("adds the test programs up", () => {
    const output = `running 2 tests
test a::b ... ok
test a::c ... FAILED
test a::d - should panic ... FAILED
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.04s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
`;
    assertEquals(cargoCounts(output), counts(15, 2, 1, "a::c", "a::d - should panic"));
  });

  it("counts a build that fails as a failure", () => {
    assertEquals(settle(cargoCounts("error: could not compile"), false), counts(0, 1, 0));
  });
});

describe("python", () => {
  it("reads unittest", () => {
    assertEquals(pythonCounts("Ran 12 tests in 0.123s\n\nOK\n"), counts(12, 0, 0));
    assertEquals(pythonCounts("Ran 1 test in 1s\n\nOK (skipped=1)\n"), counts(0, 0, 1));
    assertEquals(
      pythonCounts(
        "FAIL: test_a (x.A.test_a)\n---\nERROR: test_b (x.A.test_b)\n---\n" +
          "Ran 12 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=3)\n",
      ),
      counts(6, 3, 3, "test_a (x.A.test_a)", "test_b (x.A.test_b)"),
    );
  });

  it("reads pytest", () => {
    assertEquals(
      pythonCounts(
        "FAILED a.py::b - no\n===== 1 failed, 12 passed, 2 skipped, 1 error in 0.12s =====\n",
      ),
      counts(12, 2, 2, "a.py::b"),
    );
    assertEquals(pythonCounts("======= 3 passed in 61.00s (0:01:01) =======\n"), counts(3, 0, 0));
  });

  it("counts a crash as a failure", () => {
    assertEquals(settle(pythonCounts("Traceback"), false), counts(0, 1, 0));
  });
});

describe("deno", () => {
  /** Runs a real `deno test` on this source and counts its report. */
  async function count(source: string): Promise<Counts> {
    const folder = await Deno.makeTempDir({ prefix: "dipper-counts-test-" });
    try {
      await Deno.writeTextFile(join(folder, "a_test.ts"), source);
      const { success } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "--no-config", "--junit-path=report.xml"],
        cwd: folder,
        stdout: "null",
        stderr: "null",
      }).output();
      const report = await Deno.readTextFile(join(folder, "report.xml")).catch(() => "");
      return settle(junitCounts(report), success);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  it("counts the innermost steps, and a test without steps", async () => {
    const source = `Deno.test("a", async (t) => {
  await t.step("b", async (t) => {
    await t.step("c", () => {});
    await t.step("d > e <&\\">", () => {});
    await t.step({ name: "f", ignore: true, fn() {} });
  });
});
Deno.test("g", () => {});
Deno.test.ignore("h", () => {});`;
    assertEquals(await count(source), counts(3, 0, 2));
  });

  it("counts a failed step once", async () => {
    const source = `Deno.test("a", async (t) => {
  await t.step("b", async (t) => {
    await t.step('c "<&', () => { throw new Error("<no>"); });
    await t.step("d", () => {});
  });
});`;
    assertEquals(await count(source), counts(1, 1, 0, 'a > b > c "<&'));
  });

  it("counts a test that fails outside its steps", async () => {
    const source = `Deno.test("a", async (t) => {
  await t.step("b", () => {});
  throw new Error("no");
});`;
    assertEquals(await count(source), counts(1, 1, 0, "a"));
  });

  it("counts what never gets to its tests", async () => {
    assertEquals(await count(`Deno.test("a", () => {}); throw new Error("no");`), counts(0, 1, 0));
    assertEquals(await count(`const a: string = 1; Deno.test("a", () => {});`), counts(0, 1, 0));
    assertEquals(await count(`Deno.test("a", () => Deno.kill(Deno.pid));`), counts(0, 1, 0));
  });
});
