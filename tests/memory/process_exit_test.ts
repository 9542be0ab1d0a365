/** How processes end: at once, without a crash, whatever is under way. */
import { assert, assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import { memory } from "dipper";
import { programAt, runProgram } from "./program.ts";
import { SilentServer } from "./silent_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const PROMPT = 20_000;

/** Runs `process_exit.ts`, whose parts are described there. */
async function ends(how: string, endpoint = "") {
  const temporary = await Deno.makeTempDir({ prefix: "dipper-test-" });
  try {
    const ended = await runProgram(programAt("process_exit.ts"), {
      args: [how, endpoint],
      env: { TMPDIR: temporary },
      patience: 60_000,
    });
    assertEquals(ended.signal, null, `it neither crashes nor hangs: ${ended.stderr}`);
    assert(ended.milliseconds < PROMPT, `it took ${ended.milliseconds} ms`);
    return { ...ended, left: [...Deno.readDirSync(temporary)].map(({ name }) => name) };
  } finally {
    await Deno.remove(temporary, { recursive: true });
  }
}

for (const how of ["exit with operations", "exit in a Worker with operations"]) {
  Deno.test(`${how} in flight`, async () => {
    await using server = new SilentServer();
    const { code, stdout, stderr } = await ends(how, server.endpoint);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(JSON.parse(stdout), { operations: 4 });
    assertGreaterOrEqual(server.taken, 1);
  });
}

Deno.test("fall off the end after operations were aborted", async () => {
  await using server = new SilentServer();
  const { code, stdout, stderr } = await ends("abort and fall off the end", server.endpoint);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(JSON.parse(stdout), { reasons: Array(4).fill("AbortError"), operations: 0 });
});

Deno.test("fall off the end after the client was disposed", async () => {
  await using server = new SilentServer();
  const { code, stdout, stderr } = await ends("dispose and fall off the end", server.endpoint);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(JSON.parse(stdout), { reasons: Array(4).fill("InvalidInputError"), operations: 0 });
});

Deno.test("an uncaught error with operations in flight", async () => {
  await using server = new SilentServer();
  const { code, stderr } = await ends("throw with operations", server.endpoint);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "RangeError: as asked");
  assert(!stderr.includes("panic"), stderr);
});

Deno.test("an operation under way keeps the program running until it ends", async () => {
  const { code, stdout, stderr } = await ends("await nothing");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertEquals(stdout, "Uint8Array(4)\n");
});

Deno.test("an idle library lets the program end", async () => {
  const { code, stderr, left } = await ends("idle");
  assertEquals({ code, stderr, left }, { code: 0, stderr: "", left: [] });
});

Deno.test("an idle library lets a Worker's program end", async () => {
  const { code, stderr } = await ends("idle after a Worker");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test("held and forgotten buffers do not disturb the end", async () => {
  const { code, stderr } = await ends("with buffers");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test("a server that nobody stopped ends with the program and leaves nothing", async () => {
  const { code, stderr, left } = await ends("with a server");
  assertEquals({ code, stderr, left }, { code: 0, stderr: "", left: [] });
});

Deno.test("Deno.exit in the middle of busy transfers, ten times", async () => {
  for (let round = 0; round < 10; round++) {
    const { code, stderr } = await ends("exit in a busy transfer", String(round * 7));
    assertEquals({ code, stderr }, { code: 0, stderr: "" }, `round ${round}`);
  }
});
