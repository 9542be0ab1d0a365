/** Every code that an error can have is explained in docs/troubleshooting.md, beside its class. */

import { assert } from "@std/assert";
import { STATUS } from "../../ffi/symbols.ts";

const text = await Deno.readTextFile(new URL("../../docs/troubleshooting.md", import.meta.url));
const sections = text.split(/^## /m);

for (const { code, className } of Object.values(STATUS)) {
  Deno.test(`${className} ${code} is explained`, () => {
    const explained = sections.some((section) =>
      section.includes(className) && section.includes(`\`${code}\``)
    );
    assert(
      explained,
      `docs/troubleshooting.md does not mention ${code} in a section on ${className}`,
    );
  });
}
