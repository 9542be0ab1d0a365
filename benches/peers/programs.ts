/**
 * The programs that the bench runs: dipper and its peers, each set up below `.cache/` with pinned
 * versions and nothing global. What cannot be had is kept with its reason, so that the table names
 * it.
 *
 * @module
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { exists, run, Unavailable } from "../../tools/commands.ts";
import { buildCachePath, cachePath, deno, root } from "../../tools/repository.ts";
import { virtualEnvironment } from "../../tools/python_environment.ts";
import type { Job } from "../job.ts";

/** The programs, by the name that a case calls them. */
export type ProgramName =
  | "dipper"
  | "recv"
  | "curl"
  | "aws-sdk-rust"
  | "Deno fetch"
  | "@aws-sdk/client-s3"
  | "Bun S3Client"
  | "boto3"
  | "obstore"
  | "s3dlio";

/** How to start a program with a job. */
export interface Program {
  /** What was set up, such as `3.1169.0`. */
  version: string;
  /** The command that does this job. */
  command(job: Job): { program: string; args: string[]; env?: Record<string, string> };
}

const folder = join(root, "benches", "peers");

const NO_JOB: Job = {
  case: "object",
  endpoint: "",
  accessKeyId: "",
  secretAccessKey: "",
  bucket: "",
  key: "",
  size: 0,
  count: 1,
  settle: 0,
  parallel: 1,
};

/** Sets programs up once each, when they are first asked for. */
export class Programs {
  readonly #made = new Map<string, Promise<unknown>>();

  /**
   * A program, ready to run.
   *
   * @throws {Unavailable} when it cannot be had.
   */
  get(name: ProgramName): Promise<Program> {
    return this.#once(`program ${name}`, () => this.#setUp(name));
  }

  /** The versions of what was set up, such as `boto3 1.44.5`. */
  async versions(): Promise<string[]> {
    const names = [...this.#made.keys()].filter((name) => name.startsWith("program "));
    const settled = await Promise.allSettled(
      names.map((name) => this.#made.get(name) as Promise<Program>),
    );
    return settled.flatMap((one, index) => {
      const name = names[index]!.replace("program ", "");
      return one.status === "fulfilled" && one.value.version
        ? [`${name} ${one.value.version}`]
        : [];
    });
  }

  /** The command that touches this much memory; none without cargo. */
  async touch(size: number): Promise<{ program: string; args: string[] } | undefined> {
    try {
      const { command } = await this.#rust("touch", "");
      return command({ ...NO_JOB, size });
    } catch (error) {
      if (error instanceof Unavailable) return undefined;
      throw error;
    }
  }

  async #setUp(name: ProgramName): Promise<Program> {
    switch (name) {
      case "dipper":
        return {
          version: JSON.parse(await Deno.readTextFile(join(root, "deno.json"))).version,
          command: (job) => ({
            program: deno,
            args: [
              "run",
              "--allow-all",
              "--v8-flags=--expose-gc",
              join(folder, "javascript", "dipper.ts"),
              JSON.stringify(job),
            ],
          }),
        };
      case "recv":
        return await this.#rust("recv", "");
      case "aws-sdk-rust":
        return await this.#rust("sdk", "1.157.0");
      case "curl": {
        const version = await run("curl", ["--version"], { quiet: true });
        return await this.#rust("curl", version.output.split(" ")[1] ?? "");
      }
      case "Deno fetch":
        return {
          version: Deno.version.deno,
          command: (job) => denoPeer("deno_fetch.ts", job),
        };
      case "@aws-sdk/client-s3": {
        const packages = await this.#npm();
        const sdk = join(packages, "@aws-sdk", "client-s3");
        const { version, main } = JSON.parse(await Deno.readTextFile(join(sdk, "package.json")));
        return {
          version,
          command: (job) => {
            const peer = denoPeer("aws_sdk.ts", job, ["--node-modules-dir=manual"]);
            return { ...peer, env: { BENCH_AWS_SDK: pathToFileURL(join(sdk, main)).href } };
          },
        };
      }
      case "Bun S3Client": {
        const program = await bun(await this.#npm());
        return {
          version: (await run(program, ["--version"], { quiet: true })).output.trim(),
          command: (job) => ({
            program,
            args: ["run", join(folder, "javascript", "bun_s3.ts"), JSON.stringify(job)],
            ...(job.ca && { env: { NODE_EXTRA_CA_CERTS: job.ca } }),
          }),
        };
      }
      case "boto3":
      case "obstore":
      case "s3dlio": {
        const python = await this.#python();
        const version = await run(python, [
          "-c",
          `import importlib.metadata; print(importlib.metadata.version("${name}"))`,
        ], { quiet: true });
        return {
          version: version.output.trim(),
          command: (job) => ({
            program: python,
            args: [join(folder, "python", `${name}_client.py`), JSON.stringify(job)],
            env: {
              PYTHONDONTWRITEBYTECODE: "1",
              ...(job.ca && { AWS_CA_BUNDLE: job.ca, SSL_CERT_FILE: job.ca }),
            },
          }),
        };
      }
    }
  }

  /** The Rust program, which is the limit and two peers. */
  async #rust(client: string, version: string): Promise<Program> {
    const program = await this.#once("rust", async () => {
      if (!await exists("cargo", "--version")) throw new Unavailable("cargo is not on PATH");
      const target = buildCachePath("bench-target");
      const { success } = await run("cargo", ["build", "--release", "--locked"], {
        cwd: join(folder, "rust"),
        env: { CARGO_TARGET_DIR: target },
      });
      if (!success) throw new Unavailable("benches/peers/rust does not compile; see above");
      return join(target, "release", "dipper-bench-peers");
    });
    return {
      version,
      command: (job) => ({ program, args: [JSON.stringify({ client, ...job })] }),
    };
  }

  /** A `node_modules` with the packages of `package.json`. */
  #npm(): Promise<string> {
    return this.#once("npm", async () => {
      const install = cachePath("bench", "npm");
      await Deno.mkdir(install, { recursive: true });
      for (const name of ["package.json", "deno.lock"]) {
        await Deno.copyFile(join(folder, "npm", name), join(install, name));
      }
      const { success } = await run(deno, ["install", "--frozen", "--quiet"], { cwd: install });
      if (!success) throw new Unavailable("its npm packages cannot be installed; see above");
      return join(install, "node_modules");
    });
  }

  #python(): Promise<string> {
    return this.#once(
      "python",
      () =>
        virtualEnvironment(cachePath("bench", "venv"), join(folder, "python", "requirements.txt")),
    );
  }

  /** A failure is kept as well: what is missing is missing for every case. */
  #once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const made = this.#made.get(name) as Promise<T> | undefined ?? make();
    this.#made.set(name, made);
    return made;
  }
}

/** A program in Deno that does not see our configuration. */
function denoPeer(name: string, job: Job, flags: string[] = []): ReturnType<Program["command"]> {
  return {
    program: deno,
    args: [
      "run",
      "--allow-all",
      "--no-config",
      "--no-lock",
      ...flags,
      ...(job.ca ? [`--cert=${job.ca}`] : []),
      join(folder, "javascript", name),
      JSON.stringify(job),
    ],
  };
}

/** The program itself: the package's own start script would download it where scripts may run. */
async function bun(packages: string): Promise<string> {
  const store = join(packages, ".deno");
  for await (const { name } of Deno.readDir(store)) {
    const found = /^@oven\+(bun-.*)@[^@]*$/.exec(name)?.[1];
    if (!found) continue;
    const program = join(store, name, "node_modules", "@oven", found, "bin", "bun");
    if (await exists(program, "--version")) return program;
  }
  throw new Unavailable("no build of Bun on npm runs on this machine");
}
