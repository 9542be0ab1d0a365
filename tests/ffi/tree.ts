/** A copy of the module in a folder of its own, to load it where something is wrong. */
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const ROOMS = ["ffi", "client", "bridges", "table", "storage", "jupyter"];

/** How a program that loads the library ended. */
export interface Loaded {
  /** What `memory()` threw, or null. */
  error: { name: string; code: string; operation: string; message: string } | null;
  stderr: string;
}

/** A temporary folder with `mod.ts` and its graph, but no `build/`. */
export class Tree implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async copy(): Promise<Tree> {
    const tree = new Tree(await Deno.makeTempDir({ prefix: "dipper-test-" }));
    await Deno.copyFile(join(ROOT, "mod.ts"), join(tree.path, "mod.ts"));
    for (const room of ROOMS) await copyFolder(join(ROOT, room), join(tree.path, room));
    await Deno.writeTextFile(
      join(tree.path, "load.ts"),
      `import { DipperError, memory } from "./mod.ts";
let error = null;
try {
  memory();
} catch (thrown) {
  if (!(thrown instanceof DipperError)) throw thrown;
  const { name, code, operation, message } = thrown;
  error = { name, code, operation, message };
}
console.log(JSON.stringify(error));
`,
    );
    return tree;
  }

  /** The place of the build output. */
  get library(): string {
    return join(this.path, "build", "libdipper.so");
  }

  /** Puts a file at the place of the build output. */
  async put(content: string): Promise<void> {
    await Deno.mkdir(join(this.path, "build"), { recursive: true });
    await Deno.writeTextFile(this.library, content);
  }

  /** Puts the real library at the place of the build output. */
  async link(): Promise<void> {
    await Deno.mkdir(join(this.path, "build"), { recursive: true });
    await Deno.symlink(join(ROOT, "build", "libdipper.so"), this.library);
  }

  /** Changes a file. */
  async change(file: string, change: (text: string) => string): Promise<void> {
    const path = join(this.path, file);
    const before = await Deno.readTextFile(path);
    const after = change(before);
    if (after === before) throw new Error(`${file} is as it was`);
    await Deno.writeTextFile(path, after);
  }

  /** Loads the library in a process of its own. */
  async load(options: { variable?: string; flags?: string[] } = {}): Promise<Loaded> {
    const { variable, flags = ["--allow-all"] } = options;
    const env = Deno.env.toObject();
    delete env["DIPPER_LIBRARY"];
    if (variable !== undefined) env["DIPPER_LIBRARY"] = variable;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-config",
        "--no-lock",
        "--no-prompt",
        ...flags,
        join(this.path, "load.ts"),
      ],
      env: { ...env, NO_COLOR: "1" },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (code !== 0) throw new Error(`load.ts ended with ${code}: ${text(stderr)}`);
    return { error: JSON.parse(text(stdout)), stderr: text(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const entry of Deno.readDir(from)) {
    if (entry.isDirectory) await copyFolder(join(from, entry.name), join(to, entry.name));
    else await Deno.copyFile(join(from, entry.name), join(to, entry.name));
  }
}
