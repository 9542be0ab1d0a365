// Every class and every result shows itself: as HTML and text in a notebook, readably in a terminal,
// and without credentials in either.

import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as dipper from "dipper";
import { PREPARE, VALUES } from "./every_value.ts";

dipper.memory(); // Loads the library. Within a test, Deno would count that as a leak.

const DISPLAY = Symbol.for("Jupyter.display");
const INSPECT = Symbol.for("Deno.customInspect");

type Run = (s3: unknown, client: unknown, module: unknown, here: string) => Promise<unknown>;

function run(code: string): Run {
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  return AsyncFunction("s3", "client", "dipper", "import_meta", code);
}

const TOO_LATE = /not there within \d+ s/;
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/;

describe("what a cell shows", () => {
  it("is made for every class of the module", () => {
    const classes = Object.entries(dipper).filter(([, value]) =>
      typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value))
    ) as [string, { prototype: object }][];
    assert(classes.length > 20);
    for (const [name, { prototype }] of classes) {
      assert(DISPLAY in prototype, `${name} has no display`);
      const isError = prototype instanceof Error;
      assert(isError || INSPECT in prototype, `${name} has no inspection of its own`);
    }
  });

  it("is HTML and text, also where it is only a plain value", async () => {
    await using s3 = await dipper.LocalS3.start();
    using client = s3.client();
    const { accessKeyId, secretAccessKey } = s3.credentials;
    await run(PREPARE)(s3, client, dipper, import.meta.url);
    for (const [name, { code, begins, onlyInKernel }] of Object.entries(VALUES)) {
      const value = await run(`return ${code}`)(s3, client, dipper, import.meta.url);
      const inspected = Deno.inspect(value);
      for (const secret of [accessKeyId, secretAccessKey, "X-Amz-Signature"]) {
        assertFalse(inspected.includes(secret), `${name}: ${inspected}`);
      }
      assertFalse(/\[Function|Symbol\(/.test(inspected), `${name}: ${inspected}`);
      assertFalse(CONTROLS.test(inspected), name);
      const display = Reflect.get(value as object, DISPLAY) as undefined | (() => unknown);
      assertEquals(display === undefined, onlyInKernel === true, name);
      if (display === undefined) continue;
      let bundle = await display.call(value) as Record<string, string>;
      // A file's preview gives up after three seconds, which a busy machine may take.
      for (let tries = 0; tries < 10 && TOO_LATE.test(bundle["text/plain"] ?? ""); tries++) {
        bundle = await display.call(value) as Record<string, string>;
      }
      assertEquals(Object.keys(bundle).sort(), ["text/html", "text/plain"], name);
      const { "text/html": html = "", "text/plain": plain = "" } = bundle;
      assertStringIncludes(html, '<div class="dipper-view"><style>', name);
      assert(plain.startsWith(begins), `${name}: ${plain}`);
      assert(plain.split("\n").length < 50, `${name} fits on a screen`);
      assertFalse(CONTROLS.test(plain), name);
      for (const secret of [accessKeyId, secretAccessKey, "X-Amz-Signature"]) {
        assertFalse(html.includes(secret) || plain.includes(secret), name);
      }
      if (value instanceof WritableStream) await value.abort();
      if (value instanceof ReadableStream) await value.cancel();
      if (value instanceof dipper.RustBuffer) value.dispose();
      if (value instanceof dipper.EmbeddingTable) value.dispose();
    }
  });
});
