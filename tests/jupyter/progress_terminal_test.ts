/**
 * Progress outside a notebook: a line in a terminal that is written over, nothing where nobody
 * watches. A pseudo-terminal of Python's is the terminal.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { python, repository } from "../notebooks/executed_notebook.ts";

const PROGRAM = join(repository, "tests", "jupyter", "programs", "slow_download.ts");
const DENO = [Deno.execPath(), "run", "--allow-all", "--no-check", "--no-lock", PROGRAM];
/** 60 columns, which is narrow. */
const IN_TERMINAL = `
import fcntl, os, pty, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
try:
    while piece := os.read(terminal, 65536):
        sys.stdout.buffer.write(piece)
except OSError:
    pass
os.waitpid(child, 0)
`;

async function inTerminal(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(python!, {
    args: ["-c", IN_TERMINAL, ...DENO, ...args],
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout);
}

const ignore = python === undefined || Deno.build.os === "windows";

Deno.test({
  name: "a terminal gets one line that is written over, no wider than it is",
  ignore,
  async fn() {
    const text = await inTerminal();
    const lines = text.split("\r\x1b[2K").slice(1);
    assert(lines.length > 3, text);
    for (const line of lines.slice(0, -1)) {
      assert(line.length < 60, line);
      assert(!line.includes("\n"), line);
    }
    assertMatch(lines[2]!, / \d+ %/);
    assertMatch(lines.at(-1)!, /^bytes .* 1\.9 MiB {2}.*\/s {2}in .* s\r?\n/);
  },
});

Deno.test({
  name: "progress: false shows nothing in a terminal",
  ignore,
  async fn() {
    const text = await inTerminal("quiet");
    assert(!text.includes("MiB"), JSON.stringify(text));
    assertMatch(text, /length/);
  },
});

Deno.test("nothing is written where nobody watches, in the first seconds", async () => {
  const [program, ...args] = DENO;
  const { stdout, stderr } = await new Deno.Command(program!, { args }).output();
  assertEquals(new TextDecoder().decode(stderr), "");
  assertMatch(new TextDecoder().decode(stdout), /length 2000000/);
});
