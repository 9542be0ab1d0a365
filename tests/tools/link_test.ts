/** `deno task link` in folders of every kind; whatever happens, nothing of the user's is lost. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { root } from "../../tools/repository.ts";

const target = new URL("../../mod.ts", import.meta.url).href;

describe("tools/link.ts", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await Deno.makeTempDir({ prefix: "dipper-link-test-" });
  });

  afterEach(async () => {
    await Deno.remove(folder, { recursive: true });
  });

  async function link(...args: string[]): Promise<{ code: number; text: string }> {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-lock", "--allow-all", join(root, "tools/link.ts"), ...args],
      cwd: root,
      env: { INIT_CWD: folder, NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  const read = (name: string): Promise<string> => Deno.readTextFile(join(folder, name));
  const write = (name: string, text: string): Promise<void> =>
    Deno.writeTextFile(join(folder, name), text);

  it("makes a deno.json where there is none, and Deno resolves the name", async () => {
    const { code, text } = await link(".");
    assertEquals(code, 0, text);
    assertEquals(JSON.parse(await read("deno.json")), { imports: { dipper: target } });
    const script = join(folder, "script.ts");
    await Deno.writeTextFile(script, `console.log(import.meta.resolve("dipper"))`);
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["run", script] }).output();
    assertEquals(new TextDecoder().decode(stdout).trim(), target);
  });

  it("keeps comments, layout and everything else of a deno.jsonc", async () => {
    const before = `// mine\n{\n\t"tasks": { "x": "deno run x.ts" }, // why\n\t"imports": {\n\t\t` +
      `"a": "./a.ts" /* a */,\n\t},\n}\n`;
    await write("deno.jsonc", before);
    const { code, text } = await link(folder);
    assertEquals(code, 0, text);
    const after = await read("deno.jsonc");
    assertEquals(after, before.replace(`"a"`, `"dipper": "${target}",\n\t\t"a"`));
  });

  it("keeps Windows line ends", async () => {
    await write("deno.json", `{\r\n    "name": "x"\r\n}\r\n`);
    assertEquals((await link(".")).code, 0);
    const after = await read("deno.json");
    assertEquals(after.replaceAll("\r\n", "").includes("\n"), false);
    assertEquals(JSON.parse(after), { name: "x", imports: { dipper: target } });
  });

  it("prefers deno.json, as Deno does", async () => {
    await write("deno.json", "{}");
    await write("deno.jsonc", "{}");
    assertEquals((await link(".")).code, 0);
    assertEquals(await read("deno.jsonc"), "{}");
    assertEquals(JSON.parse(await read("deno.json")), { imports: { dipper: target } });
  });

  it("does nothing the second time", async () => {
    await link(".");
    const before = await read("deno.json");
    const { code, text } = await link(".");
    assertEquals(code, 0);
    assertStringIncludes(text, "already");
    assertEquals(await read("deno.json"), before);
  });

  it("replaces a link to another clone", async () => {
    await write("deno.json", `{"imports":{"dipper":"file:///elsewhere/mod.ts","b":"c"}}`);
    assertEquals((await link(".")).code, 0);
    assertEquals(JSON.parse(await read("deno.json")), { imports: { dipper: target, b: "c" } });
  });

  it("changes the file behind a symbolic link and keeps its mode", async () => {
    await write("real.json", "{}");
    await Deno.chmod(join(folder, "real.json"), 0o640);
    await Deno.symlink("real.json", join(folder, "deno.json"));
    assertEquals((await link(".")).code, 0);
    assert((await Deno.lstat(join(folder, "deno.json"))).isSymlink);
    assertEquals(JSON.parse(await read("real.json")), { imports: { dipper: target } });
    assertEquals((await Deno.stat(join(folder, "real.json"))).mode! & 0o777, 0o640);
  });

  const refused: Record<string, [text: string, message: string]> = {
    "a file that is no JSON": [`{\n  "imports": {\n`, "deno.json:3 is not valid JSON"],
    "an empty file": ["", "not valid JSON"],
    "a JSON array": ["[]", "not a JSON object"],
    "imports that are no object": [`{"imports": ["a"]}`, `"imports"`],
    "a name that is taken": [`{"imports": {"dipper": "npm:dipper@1"}}`, "npm:dipper@1"],
    "an import map in another file": [`{"importMap": "./map.json"}`, "./map.json"],
    "a key that is there twice": [`{"imports": {"a": "b"}, "imports": {}}`, "losing something"],
  };
  for (const [name, [before, message]] of Object.entries(refused)) {
    it(`refuses ${name} and changes nothing`, async () => {
      await write("deno.json", before);
      const { code, text } = await link(".");
      assertEquals(code, 1, text);
      assertStringIncludes(text, message);
      assertEquals(await read("deno.json"), before);
      assertEquals(Array.from(Deno.readDirSync(folder), (entry) => entry.name), ["deno.json"]);
    });
  }

  it("refuses a folder that is none", async () => {
    await write("file", "");
    for (
      const [args, message, code] of [
        [["missing"], "does not exist", 1],
        [["file"], "is a file", 1],
        [[], "Which folder?", 2],
        [["--help"], "Which folder?", 2],
        [["a", "b"], "Which folder?", 2],
      ] as const
    ) {
      const result = await link(...args);
      assertEquals(result.code, code, result.text);
      assertStringIncludes(result.text, message);
    }
  });
});
