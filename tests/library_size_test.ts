// How large the library is that `deno task build` makes: who imports dipper downloads or compiles it.

import { assert } from "@std/assert";
import { it } from "@std/testing/bdd";
import { libraryPath } from "../tools/build.ts";

/** If this fails, see "The build" in ARCHITECTURE.md for what takes the room and how it is measured. */
const MOST_BYTES = 40_000_000;

it("the library is smaller than 40 MB", async () => {
  const { size } = await Deno.stat(libraryPath);
  assert(size < MOST_BYTES, `${libraryPath} has ${size} bytes, ${MOST_BYTES} at most are wanted`);
});
