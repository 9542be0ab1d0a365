/** Directories for tests of whole trees: made, filled, and looked at. */

import type { S3Client } from "dipper";

/** A directory that goes with the test. */
export async function inDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  try {
    await run(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

/** Everything below a directory: contents of files, `null` for folders, links as `-> target`. */
export async function treeOf(path: string, below = ""): Promise<Record<string, string | null>> {
  const found: Record<string, string | null> = {};
  for await (const entry of Deno.readDir(`${path}/${below}`)) {
    const name = `${below}${entry.name}`;
    if (entry.isSymlink) found[name] = `-> ${await Deno.readLink(`${path}/${name}`)}`;
    else if (entry.isDirectory) {
      found[name] = null;
      Object.assign(found, await treeOf(path, `${name}/`));
    } else found[name] = await Deno.readTextFile(`${path}/${name}`);
  }
  return found;
}

export async function write(path: string, files: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(`${path}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
}

export async function put(
  client: S3Client,
  bucket: string,
  keys: Record<string, string>,
): Promise<void> {
  for (const [key, text] of Object.entries(keys)) await client.file({ bucket, key }).write(text);
}
