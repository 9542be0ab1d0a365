/** Panics a hundred times, in operations of the library, and goes on. */
import { InternalError } from "../../ffi/errors.ts";
import { submit } from "../../ffi/queue.ts";

let panics = 0;
await Promise.all(Array.from({ length: 100 }, async () => {
  try {
    await submit({ granted: [], request: { operation: "panic" } });
  } catch (error) {
    if (error instanceof InternalError && error.operation === "panic") panics++;
  }
}));
await submit({ granted: [], request: { operation: "nothing" } });
console.log(`${panics} panics, still here`);
