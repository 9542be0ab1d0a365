// The places that names lead to, as the room provides them that knows them all.

import { InternalError } from "../ffi/errors.ts";
import type { Places } from "./places.ts";

let known: Places | undefined;

/** Says how names become places. */
export function providePlaces(places: Places): void {
  known = places;
}

/** How names become places. */
export function places(): Places {
  if (known !== undefined) return known;
  throw new InternalError("nobody said how names become places", {
    code: "Internal",
    operation: "places",
    hint: "import dipper from its mod.ts",
  });
}
