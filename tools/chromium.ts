/**
 * Chromium for the tests in a browser: the one on this machine, else Debian's headless build, fetched
 * by apt-get and unpacked into the build cache. That needs no root and installs nothing: the packages
 * that are missing on this machine lie in a folder of their own, and a script starts the program
 * with their libraries.
 *
 * @module
 */
import { join } from "node:path";
import { type CommandOptions, exists, run, say, Unavailable } from "./commands.ts";
import { buildCachePath } from "./repository.ts";

const ON_PATH = [
  "chromium",
  "chromium-headless-shell",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
];

const ELSEWHERE = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** The smallest one that draws pages, and letters to draw them with. */
const PACKAGES = ["chromium-headless-shell", "chromium-common", "fonts-dejavu-core"];

const REMEDY = "install Chromium (Debian: apt-get install chromium), " +
  "or let CHROMIUM name its program";

/**
 * The absolute path of Chromium: what `CHROMIUM` names, one on this machine, or one that is fetched.
 *
 * @throws {Unavailable} when there is none and none can be fetched.
 */
export async function chromiumProgram(options: CommandOptions = {}): Promise<string> {
  const named = Deno.env.get("CHROMIUM");
  if (named !== undefined) {
    const path = await onPath(named);
    if (path !== undefined && await exists(path, "--version")) return path;
    throw new Unavailable(`CHROMIUM names ${named}, which does not start`);
  }
  for (const name of [...ON_PATH, ...ELSEWHERE]) {
    const path = await onPath(name);
    if (path !== undefined && await exists(path, "--version")) return path;
  }
  return await debianChromium(options);
}

/** Where a program is; Playwright looks nothing up on the path. */
async function onPath(name: string): Promise<string | undefined> {
  const folders = name.includes("/") ? [""] : (Deno.env.get("PATH") ?? "").split(":");
  for (const folder of folders) {
    const path = folder === "" ? name : join(folder, name);
    if (await isFile(path)) return path;
  }
  return undefined;
}

/**
 * Debian's package, unpacked.
 *
 * @throws {Unavailable} where there is no apt-get, or it does not fetch it.
 */
export async function debianChromium({ signal }: CommandOptions = {}): Promise<string> {
  const home = buildCachePath("chromium");
  const start = join(home, "start");
  if (await drawsPages(start)) return start;
  if (!await exists("apt-get", "--version") || !await exists("dpkg-deb", "--version")) {
    throw new Unavailable(`there is no Chromium on this machine: ${REMEDY}`);
  }
  say("Fetching Chromium from Debian; this takes about half a minute, once.");
  const work = `${home}.${crypto.randomUUID()}`;
  try {
    // apt's own state stays as it is: its lists and what it fetches go here.
    const lists = join(work, "lists");
    const archives = join(work, "archives");
    for (const folder of [lists, archives]) {
      await Deno.mkdir(join(folder, "partial"), { recursive: true });
    }
    const apart = [
      `Dir::State::Lists=${lists}`,
      `Dir::Cache=${work}`,
      `Dir::Cache::Archives=${archives}`,
      "Debug::NoLocking=true",
      "Acquire::Retries=3",
      // Root's apt-get would fetch as another user, who may not write here.
      "APT::Sandbox::User=root",
    ].flatMap((setting) => ["-o", setting]);
    const options = { signal, env: { DEBIAN_FRONTEND: "noninteractive" } };
    const fetch = [
      "install",
      "--download-only",
      "--reinstall",
      "--no-install-recommends",
      "-qq",
      "-y",
    ];
    const fetched = (await run("apt-get", [...apart, "-qq", "update"], options)).success &&
      (await run("apt-get", [...apart, ...fetch, ...PACKAGES], options)).success;
    if (!fetched) throw new Unavailable(`apt-get does not fetch Chromium; see above, or ${REMEDY}`);
    const files = join(work, "files");
    for await (const { name } of Deno.readDir(archives)) {
      if (!name.endsWith(".deb")) continue;
      if (
        !(await run("dpkg-deb", ["--extract", join(archives, name), files], { signal })).success
      ) {
        throw new Error(`dpkg-deb does not unpack ${name}`);
      }
    }
    await Deno.remove(home, { recursive: true }).catch(() => {});
    await Deno.mkdir(home, { recursive: true });
    await Deno.rename(files, join(home, "files"));
    await writeStart(home);
  } finally {
    await Deno.remove(work, { recursive: true }).catch(() => {});
  }
  if (await drawsPages(start)) return start;
  throw new Unavailable(`Debian's Chromium was fetched and does not start; ${REMEDY}`);
}

/** Whether all that it needs is there: libraries, its own files, letters. */
async function drawsPages(program: string): Promise<boolean> {
  const args = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--dump-dom",
    "data:text/html,ready",
  ];
  try {
    const { success, output } = await run(program, args, { quiet: true });
    return success && output.includes("ready");
  } catch (error) {
    if (error instanceof Unavailable) return false;
    throw error;
  }
}

/** The script that starts it with the libraries and the letters of the packages. */
async function writeStart(home: string): Promise<void> {
  const files = join(home, "files");
  const program = join(files, "usr", "lib", "chromium", "chromium-headless-shell");
  const libraries = new Set<string>();
  const look = async (folder: string): Promise<void> => {
    for await (const entry of Deno.readDir(folder)) {
      const path = join(folder, entry.name);
      if (entry.isDirectory) {
        // Chromium finds its own beside its program.
        if (entry.name !== "chromium") await look(path);
      } else if (/\.so(\.|$)/.test(entry.name)) libraries.add(folder);
    }
  };
  for (const name of ["lib", "usr/lib"]) {
    await look(join(files, name)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  await Deno.writeTextFile(
    join(home, "fonts.conf"),
    `<?xml version="1.0"?>
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${join(files, "usr", "share", "fonts")}</dir>
  <cachedir>${join(home, "fonts")}</cachedir>
</fontconfig>
`,
  );
  const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  await Deno.writeTextFile(
    join(home, "start"),
    `#!/bin/sh
LD_LIBRARY_PATH=${quoted([...libraries].join(":"))} \\
FONTCONFIG_FILE=${quoted(join(home, "fonts.conf"))} exec ${quoted(program)} "$@"
`,
  );
  await Deno.chmod(join(home, "start"), 0o755);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
