// `help`: every public symbol has a page, however it is asked for.

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as dipper from "../../mod.ts";
import * as plugin from "../../jupyter/plugin.ts";
import { JUPYTER_DISPLAY } from "../../jupyter/media_bundle.ts";
import written from "../../storage/help_pages.json" with { type: "json" };

const { file, help, HelpPage, InvalidInputError, memory, plot } = dipper;
const PAGES: Record<string, string> = written.pages;

// The library is loaded once and stays, which a test may not.
memory();

/** What a page says beside its heading, its signatures and what it refers to. */
function proseOf(page: string): string {
  return page.replace(/```ts\n.*?```/gs, "").replace(
    /^(#|See also:|From `dipper|Example:).*$/gm,
    "",
  )
    .trim();
}

describe("every public", () => {
  const internal = new Set(["activateAtFirstCall", "attach"]);
  for (const [module, names] of Object.entries({ dipper, plugin })) {
    it(`function, class and value of ${module} has help, as itself and by name`, () => {
      for (const [name, value] of Object.entries(names)) {
        if (internal.has(name)) continue;
        assertEquals(help(value).name, name);
        assertEquals(help(name).markdown, help(value).markdown);
        assertStringIncludes(help(name).markdown, `# ${name}\n`);
      }
    });
  }

  it("method and getter of every class has help", () => {
    for (const [name, value] of Object.entries(dipper)) {
      const prototype = (value as { prototype?: object }).prototype;
      if (typeof value !== "function" || prototype === undefined) continue;
      const members = Object.getOwnPropertyDescriptors(prototype);
      for (const [member, { value: method }] of Object.entries(members)) {
        // An error's own methods are the platform's.
        if (member === "constructor" || method === undefined) continue;
        const page = help(method);
        assertEquals(page.name, `${name}.${member}`);
        assertEquals(help(page.name).markdown, page.markdown);
      }
    }
  });

  it("symbol that has a page is described in it", () => {
    assert(Object.keys(PAGES).length > 500);
    for (const [name, page] of Object.entries(PAGES)) {
      assert(proseOf(page).length > 3, `${name}: ${page}`);
      assertEquals(/\{@link|undefined \| undefined|\bMADE\b|\bFILLED\b/.exec(page), null, name);
    }
  });

  it("function has a signature, its errors and an example", () => {
    for (const name of ["file", "get", "list", "checksumBytes", "ObjectFile.ranges", "memory"]) {
      const page = PAGES[name] ?? "";
      assertMatch(page, /^# .*\n\n```ts\n.*\(.*\): .*\n```\n/s);
      for (const part of ["Throws:", "Example:", "See also: "]) {
        if (name === "memory" && part === "Throws:") continue;
        assertStringIncludes(page, part);
      }
    }
    assertStringIncludes(PAGES["ObjectFile.ranges"] ?? "", "Parameters:\n\n- `ranges`: ");
  });
});

describe("help", () => {
  it("without a name tells what there is", () => {
    for (const page of [help(), help("dipper"), help(dipper), help("dipper/jupyter")]) {
      assertEquals(page.name, "dipper");
      for (const name of ["`file`", "`S3File`", "`Stat`", "# dipper/jupyter", "`deactivate`"]) {
        assertStringIncludes(page.markdown, name);
      }
    }
  });

  it("takes what dipper made", () => {
    const s3 = file("s3://bucket/key");
    const local = file("/tmp/x");
    const client = new dipper.S3Client({ credentials: "anonymous", region: "us-east-1" });
    const error = assertThrows(() => file("s3:/typo"), InvalidInputError);
    const buffer = new dipper.RustBuffer(1);
    const table = new dipper.EmbeddingTable(3);
    const made: [unknown, string][] = [
      [s3, "S3File"],
      [s3.slice(1), "S3File"],
      [local, "LocalFile"],
      [file("http://127.0.0.1/x"), "HttpFile"],
      [dipper.list("s3://bucket/"), "Listing"],
      [client, "S3Client"],
      [error, "InvalidInputError"],
      [buffer, "RustBuffer"],
      [table, "EmbeddingTable"],
      [plot([1, 2]), "Figure"],
      [help(), "HelpPage"],
      [memory(), "MemoryReport"],
      [{ uri: "s3://b/k", key: "k", size: 1, lastModified: new Date() }, "ObjectEntry"],
      [s3.bytes, "ObjectFile.bytes"],
      [s3.delete, "S3File.delete"],
      [client.download, "S3Client.download"],
      [plot.histogram, "Plotting.histogram"],
      [dipper.LocalS3.start, "LocalS3.start"],
    ];
    for (const [x, name] of made) assertEquals(help(x).name, name);
    buffer.dispose();
    table.dispose();
    client.dispose();
  });

  it("takes names as they are spelt by hand", () => {
    const spelt = {
      "S3File.bytes": "ObjectFile.bytes",
      "s3file.Bytes()": "ObjectFile.bytes",
      " file ": "file",
      "file(uri)": "file",
      "S3Client.prototype.list": "S3Client.list",
      "plot.line": "Plotting.line",
      "WriteOptions.signal": "CallOptions.signal",
      "RustBuffer[Symbol.dispose]": "RustBuffer[Symbol.dispose]",
    };
    for (const [given, name] of Object.entries(spelt)) assertEquals(help(given).name, name);
  });

  it("shows itself as Markdown in a notebook and as text elsewhere", () => {
    const page = help(file);
    assert(page instanceof HelpPage);
    assertEquals(page[JUPYTER_DISPLAY](), {
      "text/markdown": page.markdown,
      "text/plain": page.markdown,
    });
    assertEquals(Deno.inspect(page), page.markdown);
    assertEquals(String(page), page.markdown);
    assertMatch(page.markdown, /^# file\n/);
  });

  it("names what is spelt nearly so", () => {
    const near = {
      "fiel": "file",
      "ObjectFile.rangs": "ObjectFile.ranges",
      "S3File.byte": "S3File.bytes",
      "ranges": "ObjectFile.ranges",
      "RustBufer": "RustBuffer",
      "S3File.zzzzzzzz": "S3File.presign",
    };
    for (const [given, suggested] of Object.entries(near)) {
      const error = assertThrows(() => help(given), InvalidInputError);
      assertMatch(
        error.message,
        /^there is no help for "[^"]*"; did you mean .*help\(\) tells what/,
      );
      assertStringIncludes(error.message, suggested);
    }
  });

  it("refuses what has no documentation, shortly", () => {
    const wrong: unknown[] = [undefined, null, 3, 4n, true, Symbol("x"), () => 1, fetch, {}, []];
    wrong.push(
      new Uint8Array(8),
      new Map(),
      Object.create(null),
      new Proxy({}, {}),
      "",
      "zzzzzzzz",
    );
    wrong.push("__proto__", "constructor", "toString", "x".repeat(2 ** 20), "<script>\u0000");
    wrong.push({ a: 1, b: 2 }, "s3://bucket/key");
    for (const x of wrong) {
      const error = assertThrows(() => help(x), InvalidInputError);
      assertMatch(error.message, /^there is no help for /);
      assert(error.message.length < 400);
    }
  });
});
