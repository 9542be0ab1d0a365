/** Writes on a small file system of its own until it is full, then on a read-only one. */
import { DipperError, file } from "../../mod.ts";

const folder = Deno.args[0]!;
const at = (name: string) => file(`${folder}/${name}` as `/${string}`);

async function refused(call: () => Promise<unknown>): Promise<object> {
  try {
    await call();
    return { name: "nothing" };
  } catch (error) {
    if (!(error instanceof DipperError)) throw error;
    const { name, code, message } = error;
    return { name, code, message };
  }
}

await at("before").write("as it was");
const large = new Uint8Array(3 << 20);
const full = [
  await refused(() => at("a").write(large)),
  await refused(() => at("before").write(new Blob([large]).stream())),
  await refused(async () => {
    const writer = at("c").writer().getWriter();
    await writer.write(large);
    await writer.close();
  }),
];
const left = Array.from(Deno.readDirSync(folder), (entry) => entry.name);
const before = Deno.readTextFileSync(`${folder}/before`);
const mounted = new Deno.Command("mount", { args: ["-o", "remount,ro", folder] }).outputSync();
if (!mounted.success) throw new Error(new TextDecoder().decode(mounted.stderr));
const readOnly = [
  await refused(() => at("a").write("x")),
  await refused(() => at("before").write(new Blob(["x"]).stream())),
  await refused(() => at("before").delete()),
];
console.log(JSON.stringify({ full, left, before, readOnly }));
