/** Garbage at the Node-API functions, in a process of its own. Prints what came back. */
import { library } from "../../ffi/library.ts";
import { queueHandle, submit } from "../../ffi/queue.ts";
import { memory, RustBuffer } from "../../mod.ts";

const { node, native } = library();
queueHandle();

const garbage: unknown[] = [
  0,
  -1,
  0.5,
  NaN,
  Infinity,
  2 ** 53,
  1e300,
  "16777216",
  undefined,
  null,
  true,
  8n,
  {},
  [],
  Symbol("handle"),
  () => 1,
  new Uint8Array(8),
];

/** How many of the calls came back, and how many of them with an error number. */
function attempt(name: "adopt" | "nudge" | "open"): { back: number; refused: number } {
  let back = 0;
  let refused = 0;
  for (const value of garbage) {
    if (name === "open" && typeof value === "function") continue;
    const answer: unknown = (node[name] as (value: unknown) => unknown)(value);
    back++;
    if (typeof answer === "number" && answer < 0) refused++;
  }
  return { back, refused };
}

const kept = new RustBuffer(64);
kept.view().fill(7);
const facts = {
  adopt: attempt("adopt"),
  adoptNothing: (node.adopt as () => unknown)() as number < 0,
  nudge: attempt("nudge").back,
  open: attempt("open"),
  lastErrors: native.lastError(new Uint8Array(4096)) > 0,
};
for (let i = 0; i < 1000; i++) {
  node.nudge(2 ** 40);
  node.hold();
  node.release();
}
// One that was released too often still keeps the program running when it matters.
for (let i = 0; i < 10; i++) node.release();
await submit({ granted: [], request: { operation: "nothing" } });
const whole = kept.toBytes().every((byte) => byte === 7);
kept.dispose();
const { bytes, buffers, adopted, operations } = memory();
console.log(JSON.stringify({ ...facts, whole, held: bytes + buffers + adopted + operations }));
