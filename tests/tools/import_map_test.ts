/** The import map that puts the stand-ins in place of std keeps everything else. */
import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "../../tools/repository.ts";

it("tools/import_map.ts maps @std to the stand-ins and the rest as deno.json does", async () => {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "--allow-all", join(root, "tools/import_map.ts")],
    env: { DIPPER_STD_STANDINS: "1" },
    stderr: "null",
  }).output();
  assertEquals(code, 0);
  const [flag, path] = new TextDecoder().decode(stdout).trim().split(" ");
  assertEquals(flag, "--import-map");
  const map: Record<string, string> = JSON.parse(await Deno.readTextFile(path!)).imports;
  const config: Record<string, string> =
    JSON.parse(await Deno.readTextFile(join(root, "deno.json"))).imports;

  assertEquals(Object.keys(map), Object.keys(config));
  for (const [name, target] of Object.entries(config)) {
    if (target.startsWith("jsr:")) {
      assert(fileURLToPath(map[name]!).startsWith(join(root, "tests", "std_standins")), map[name]);
    } else if (target.startsWith("./")) {
      assertEquals(fileURLToPath(map[name]!), join(root, target));
    } else {
      assertEquals(map[name], target);
    }
  }
});
