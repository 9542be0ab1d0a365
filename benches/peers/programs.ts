/**
 * The programs that the bench runs: dipper and its peers, each set up below `.cache/` with pinned
 * versions and nothing global. What cannot be had is kept with its reason, so that the table names
 * it.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { exists, run, Unavailable } from "../../tools/commands.ts";
import { buildCachePath, cachePath, deno, root } from "../../tools/repository.ts";
import { virtualEnvironment } from "../../tools/python_environment.ts";
import type { Job } from "../job.ts";
import { debianProgram } from "../setup/debian_package.ts";

/** The programs, by the name that a case calls them. */
export type ProgramName =
  | "dipper"
  | "dipper, whole process" // from its start to its end
  | "recv"
  | "curl"
  | "Rust loop"
  | "JavaScript loop"
  | "NumPy"
  | "aws-sdk-rust"
  | "Deno fetch"
  | "Deno import"
  | "@aws-sdk/client-s3"
  | "@aws-sdk/lib-storage"
  | "Bun S3Client"
  | "boto3"
  | "obstore"
  | "s3dlio"
  | "NumPy search"
  | "faiss"
  | "AWS CLI"
  | "rclone"
  | "polars"
  | "nodejs-polars"
  | "DuckDB"
  | "hyparquet"
  | "parquet-wasm"
  | "wc"
  | "lines, dipper"
  | "lines, Bun"
  | "lines, Deno"
  | "lines, Node.js";

/** The bytes of a line in a file of lines. */
const LINE = 100;

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
          command: dipper,
        };
      case "dipper, whole process":
        return await this.#wholeProcess();
      case "recv":
        return await this.#rust("recv", "");
      case "Rust loop":
        return await this.#rust("loops", "");
      case "JavaScript loop":
        return {
          version: "",
          command: (job) => denoPeer("loops.ts", job, ["--v8-flags=--expose-gc"]),
        };
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
      case "Deno import": {
        const command = (job: Job) => denoPeer("importing.ts", job);
        // The first import of all compiles, which is not what is measured.
        for (const way of ["dipper", "nothing"]) {
          const { program, args } = command({ ...NO_JOB, way });
          await run(program, args, { quiet: true });
        }
        return { version: Deno.version.deno, command };
      }
      case "@aws-sdk/client-s3":
        return await this.#awsSdk("client-s3", {});
      case "@aws-sdk/lib-storage":
        return await this.#awsSdk("lib-storage", { way: "lib-storage" });
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
      case "AWS CLI": {
        const python = await virtualEnvironment(
          cachePath("bench", "awscli"),
          join(folder, "python", "awscli.txt"),
        );
        const program = join(dirname(python), "aws");
        const said = (await run(program, ["--version"], { quiet: true })).output;
        return await this.#commandLine(/aws-cli\/(\S+)/.exec(said)?.[1] ?? "", (job) => {
          const uri = `s3://${job.bucket}/${job.key}`;
          const [from, to] = job.case === "uploadTree"
            ? [job.directory!, uri]
            : [uri, job.directory!];
          return {
            program,
            args: ["s3", "cp", "--recursive", "--only-show-errors", from, to],
            env: {
              AWS_ENDPOINT_URL: job.endpoint,
              AWS_REGION: "us-east-1",
              AWS_ACCESS_KEY_ID: job.accessKeyId,
              AWS_SECRET_ACCESS_KEY: job.secretAccessKey,
            },
          };
        });
      }
      case "rclone": {
        const program = await debianProgram("rclone", "usr/bin/rclone", "version");
        const said = (await run(program, ["version"], { quiet: true })).output;
        return await this.#commandLine(/rclone v(\S+)/.exec(said)?.[1] ?? "", (job) => {
          const remote = `bench:${job.bucket}/${job.key}`;
          const [from, to] = job.case === "uploadTree"
            ? [job.directory!, remote]
            : [remote, job.directory!];
          const many = job.parallel > 1
            ? [`--transfers=${job.parallel}`, `--checkers=${job.parallel}`]
            : [];
          return {
            program,
            args: ["copy", ...many, from, to],
            env: {
              // The remote is told here; there is no file of the user's.
              RCLONE_CONFIG: "/dev/null",
              RCLONE_CONFIG_BENCH_TYPE: "s3",
              RCLONE_CONFIG_BENCH_PROVIDER: "Other",
              RCLONE_CONFIG_BENCH_ENDPOINT: job.endpoint,
              RCLONE_CONFIG_BENCH_REGION: "us-east-1",
              RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: job.accessKeyId,
              RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: job.secretAccessKey,
            },
          };
        });
      }
      case "wc":
      case "lines, dipper":
      case "lines, Bun":
      case "lines, Deno":
      case "lines, Node.js":
        return await this.#lines(name);
      case "NumPy search":
      case "faiss": {
        const python = await this.#python();
        const packaged = name === "faiss" ? "faiss-cpu" : "numpy";
        const version = await run(python, [
          "-c",
          `import importlib.metadata; print(importlib.metadata.version("${packaged}"))`,
        ], { quiet: true });
        return {
          version: version.output.trim(),
          command: (job) => ({
            program: python,
            args: [
              join(folder, "python", `${name === "faiss" ? name : "numpy"}_search.py`),
              JSON.stringify(job),
            ],
            env: { PYTHONDONTWRITEBYTECODE: "1" },
          }),
        };
      }
      case "nodejs-polars":
      case "DuckDB":
      case "hyparquet":
      case "parquet-wasm":
        return await this.#tables(name);
      case "NumPy":
      case "boto3":
      case "obstore":
      case "polars":
      case "s3dlio": {
        const python = await this.#python();
        const client = name.toLowerCase();
        const version = await run(python, [
          "-c",
          `import importlib.metadata; print(importlib.metadata.version("${client}"))`,
        ], { quiet: true });
        return {
          version: version.output.trim(),
          command: (job) => ({
            program: python,
            args: [join(folder, "python", `${client}_client.py`), JSON.stringify(job)],
            env: {
              PYTHONDONTWRITEBYTECODE: "1",
              ...(job.ca && { AWS_CA_BUNDLE: job.ca, SSL_CERT_FILE: job.ca }),
            },
          }),
        };
      }
    }
  }

  /** A package of the SDK for JavaScript, in Deno. */
  async #awsSdk(name: "client-s3" | "lib-storage", own: Partial<Job>): Promise<Program> {
    const packages = join(await this.#npm(), "@aws-sdk");
    const manifest = async (name: string): Promise<{ version: string; main: string }> =>
      JSON.parse(await Deno.readTextFile(join(packages, name, "package.json")));
    const entry = async (name: string): Promise<string> =>
      pathToFileURL(join(packages, name, (await manifest(name)).main)).href;
    const env = {
      BENCH_AWS_SDK: await entry("client-s3"),
      BENCH_AWS_LIB_STORAGE: await entry("lib-storage"),
    };
    return {
      version: (await manifest(name)).version,
      command: (job) => ({
        ...denoPeer("aws_sdk.ts", { ...job, ...own }, ["--node-modules-dir=manual"]),
        env,
      }),
    };
  }

  /** A reader of tables, in Deno. */
  async #tables(
    name: "nodejs-polars" | "DuckDB" | "hyparquet" | "parquet-wasm",
  ): Promise<Program> {
    const packages = await this.#npm();
    const at = (...path: string[]): string => pathToFileURL(join(packages, ...path)).href;
    const env = {
      BENCH_HYPARQUET: at("hyparquet", "src", "node.js"),
      BENCH_HYPARQUET_COMPRESSORS: at("hyparquet-compressors", "src", "index.js"),
      BENCH_PARQUET_WASM: at("parquet-wasm", "esm", "parquet_wasm.js"),
      BENCH_PARQUET_WASM_FILE: join(packages, "parquet-wasm", "esm", "parquet_wasm_bg.wasm"),
      BENCH_FLECHETTE: at("@uwdata", "flechette", "src", "index.js"),
      BENCH_NODEJS_POLARS: at("nodejs-polars", "bin", "index.js"),
      BENCH_DUCKDB: at("@duckdb", "node-api", "lib", "index.js"),
    };
    const packaged = name === "DuckDB" ? join("@duckdb", "node-api") : name;
    const manifest = JSON.parse(
      await Deno.readTextFile(join(packages, packaged, "package.json")),
    );
    const flags = ["--node-modules-dir=manual"];
    return {
      version: manifest.version,
      command: (job) => ({
        ...denoPeer("tables_peer.mjs", { ...job, library: name.toLowerCase() } as Job, flags),
        env,
      }),
    };
  }

  /** What counts the lines of a file, timed from its start to its end. */
  async #lines(
    name: "wc" | "lines, dipper" | "lines, Bun" | "lines, Deno" | "lines, Node.js",
  ): Promise<Program> {
    const peer = join(folder, "javascript", "lines_peer.mjs");
    const ours = join(folder, "javascript", "lines_dipper.ts");
    const apart = ["run", "--allow-all", "--no-config", "--no-lock", peer];
    const [program, args] = {
      "wc": ["wc", ["-l"]],
      "lines, dipper": [deno, ["run", "--allow-all", ours]],
      "lines, Bun": ["", ["run", peer]],
      "lines, Deno": [deno, apart],
      "lines, Node.js": ["node", [peer]],
    }[name] as [string, string[]];
    const found = name === "lines, Bun" ? await bun(await this.#npm()) : program;
    if (!await exists(found, "--version")) throw new Unavailable(`${found} is not on PATH`);
    const said = (await run(found, ["--version"], { quiet: true })).output;
    const version = name === "lines, dipper" ? "" : /\d+(?:\.\d+)+/.exec(said)?.[0] ?? "";
    return await this.#commandLine(version, ({ directory, key, way, size }) => ({
      program: found,
      args: [
        ...args,
        join(directory!, key),
        ...(name === "wc" ? [] : [way!, String(Math.ceil(size / LINE))]),
      ],
      env: {},
    }));
  }

  /** dipper as a command line, in Deno. */
  async #wholeProcess(): Promise<Program> {
    const { program, args } = denoPeer("trees_dipper.ts", NO_JOB);
    const start = args.slice(0, -1);
    // The others were started to ask for their versions. The first start of all compiles.
    await run(program, start, { quiet: true });
    return await this.#commandLine("", (job) => ({
      program,
      args: [...start, JSON.stringify(job)],
      env: {},
    }));
  }

  /** A command line that does trees, timed from its start to its end. */
  async #commandLine(
    version: string,
    of: (job: Job) => { program: string; args: string[]; env: Record<string, string> },
  ): Promise<Program> {
    const { command } = await this.#rust("command", version);
    return {
      version,
      command(job) {
        const { program, args, env } = of(job);
        const told = { ...job, program, arguments: args };
        return { ...command(told), env };
      },
    };
  }

  /** The Rust program, which is the limit, two peers, and who runs command lines. */
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

/** dipper in Deno. */
function dipper(job: Job): { program: string; args: string[] } {
  const program = join(folder, "javascript", "dipper.ts");
  return {
    program: deno,
    args: ["run", "--allow-all", "--v8-flags=--expose-gc", program, JSON.stringify(job)],
  };
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
