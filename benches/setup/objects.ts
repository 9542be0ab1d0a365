/**
 * What the servers serve: random bytes in files of the sizes that the figures name, a huge file of
 * nothing, a tree of small files.
 *
 * @module
 */
import { join } from "node:path";
import { isTable, tableFile } from "./tables.ts";

const MIB = 2 ** 20;

/** The bucket that holds the objects. */
export const BUCKET = "bench";

/** The objects, by what they are for. */
export const OBJECTS = {
  /** Opens connections. */
  tiny: { key: "tiny", size: 1024 },
  /** 64 MiB. */
  medium: { key: "medium", size: 64 * MIB },
  /** 1 GiB. */
  large: { key: "large", size: 1024 * MIB },
  /** 20 GB, sparse. */
  huge: { key: "huge", size: 20e9 },
} as const;

/** Many small objects. */
export const SMALL = { prefix: "small/", size: 16 * 1024, count: 10_000 } as const;

/** The listing: a bucket of its own. */
export const LISTING = {
  bucket: "listing",
  name: "trips/year=2024/part-",
  keys: 100_000,
  page: 1000,
} as const;

/** The bucket that takes all and keeps nothing. */
export const SINK = "sink";

/** A tree of small files: 100 folders of 100. */
export const TREE = { prefix: "tree/", size: 16 * 1024, count: 10_000 } as const;

/** Writes the objects that these names stand for below a served folder. */
export async function writeObjects(folder: string, names: Iterable<string>): Promise<void> {
  const bucket = join(folder, BUCKET);
  await Deno.mkdir(join(bucket, SMALL.prefix), { recursive: true });
  for (const name of new Set(names)) {
    if (name === "small") await writeSmall(bucket);
    else if (isTable(name)) await Deno.symlink(await tableFile(name), join(bucket, name));
    else if (name === "huge") await writeSparse(join(bucket, "huge"), OBJECTS.huge.size);
    else {
      const { key, size } = OBJECTS[name as "tiny" | "medium" | "large"];
      await writeRandom(join(bucket, key), size);
    }
  }
}

async function writeRandom(path: string, size: number): Promise<void> {
  using file = await Deno.create(path);
  const chunk = new Uint8Array(Math.min(size, MIB));
  for (let at = 0; at < size; at += chunk.length) {
    for (let part = 0; part < chunk.length; part += 65_536) {
      crypto.getRandomValues(chunk.subarray(part, part + 65_536));
    }
    for (let written = 0; written < chunk.length;) {
      written += await file.write(chunk.subarray(written));
    }
  }
}

async function writeSparse(path: string, size: number): Promise<void> {
  using file = await Deno.create(path);
  await file.truncate(size);
}

async function writeSmall(bucket: string): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(SMALL.size));
  for (let number = 0; number < SMALL.count; number++) {
    new DataView(bytes.buffer).setUint32(0, number);
    await Deno.writeFile(join(bucket, SMALL.prefix + String(number).padStart(6, "0")), bytes);
  }
}

/** Writes the tree into a folder. */
export async function writeTree(folder: string): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(TREE.size));
  for (let number = 0; number < TREE.count; number++) {
    const path = pathInTree(number);
    if (number % 100 === 0) await Deno.mkdir(join(folder, path, ".."), { recursive: true });
    new DataView(bytes.buffer).setUint32(0, number);
    await Deno.writeFile(join(folder, path), bytes);
  }
}

/** The path of a file of the tree. */
export function pathInTree(number: number): string {
  const folder = String(Math.floor(number / 100)).padStart(2, "0");
  return `${folder}/${String(number).padStart(6, "0")}.bin`;
}

/** What is wrong with a copy of the tree; nothing if it has all files whole. */
export async function wrongWithTree(folder: string): Promise<string | undefined> {
  for (let number = 0; number < TREE.count; number++) {
    const path = pathInTree(number);
    try {
      const { size } = await Deno.stat(join(folder, path));
      if (size !== TREE.size) return `${path} has ${size} of ${TREE.size} bytes`;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return `${path} is missing`;
    }
    // Every hundredth is looked into.
    if (number % 100 === 0) {
      const bytes = await Deno.readFile(join(folder, path));
      if (new DataView(bytes.buffer).getUint32(0) !== number) return `${path} has other bytes`;
    }
  }
  return undefined;
}
