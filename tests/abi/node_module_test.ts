/** The Node-API functions take garbage, too. */
import { assertEquals } from "@std/assert";
import { runProgram } from "../memory/program.ts";

Deno.test("adopt, nudge and open answer garbage with an error number, never a crash", async () => {
  const program = new URL("./node_module_program.ts", import.meta.url);
  const { code, signal, stdout, stderr } = await runProgram(program);
  assertEquals({ code, signal, stderr }, { code: 0, signal: null, stderr: "" });
  assertEquals(JSON.parse(stdout), {
    adopt: { back: 17, refused: 17 },
    adoptNothing: true,
    nudge: 17,
    open: { back: 16, refused: 16 },
    lastErrors: true,
    whole: true,
    held: 0,
  });
});
