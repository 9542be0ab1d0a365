/**
 * 10,000 files of 16 KiB as a tree: downloaded and uploaded, against the AWS CLI and rclone, all with
 * versitygw over files in memory.
 *
 * Every run is timed from the start of its process to its end, dipper's too: a command line has no
 * other way to be used. Each downloads into an empty folder and uploads under a new prefix, and what
 * it leaves is looked at. All verify what they move as they do unless told otherwise: rclone by the
 * MD5 in the ETag, dipper and the AWS CLI by the checksum that the server stored.
 *
 * @module
 */
import { join } from "node:path";
import {
  type BenchCase,
  type Contender,
  type Ground,
  operationsPerSecond,
  peakColumn,
} from "./bench_case.ts";
import { temporaryMemory } from "./setup/memory_folder.ts";
import { BUCKET, TREE, wrongWithTree } from "./setup/objects.ts";
import type { Servers } from "./setup/servers.ts";

/** An empty folder in memory. */
async function emptyFolder(): Promise<Ground> {
  const directory = await Deno.makeTempDir({
    prefix: "dipper-bench-downloaded-",
    ...await temporaryMemory(),
  });
  return {
    job: { directory },
    async cleared() {
      const wrong = await wrongWithTree(directory);
      await Deno.remove(directory, { recursive: true });
      return wrong;
    },
  };
}

let uploads = 0;

/** A prefix that holds nothing, and the tree. */
async function emptyPrefix(servers: Servers): Promise<Ground> {
  const key = `uploaded-tree-${++uploads}/`;
  const folder = join(await servers.versitygwFolder(), key);
  return {
    job: { key, directory: await servers.tree() },
    async cleared() {
      const wrong = await wrongWithTree(folder);
      await Deno.remove(folder, { recursive: true }).catch(() => {});
      return wrong;
    },
  };
}

const contenders = (call: string): Contender[] => [
  { label: `dipper ${call}`, role: "dipper", program: "dipper, whole process" },
  { label: "AWS CLI, s3 cp --recursive", role: "peer", program: "AWS CLI" },
  { label: "rclone copy", role: "peer", program: "rclone" },
  {
    label: "rclone copy, 32 at once",
    role: "peer",
    program: "rclone",
    job: { parallel: 32 },
  },
];

const shared = {
  server: "versitygw",
  // The slowest takes most of a minute.
  rounds: 3,
  minutes: 10,
  // The files, twice, and as much again for the processes.
  touch: 4 * TREE.size * TREE.count,
  rate: operationsPerSecond,
  columns: [
    { head: "CPU s", of: ({ cpuSeconds }) => cpuSeconds, digits: 2 },
    peakColumn,
  ],
} as const satisfies Partial<BenchCase>;

const job = {
  bucket: BUCKET,
  key: TREE.prefix,
  size: TREE.size,
  count: TREE.count,
} as const;

/** Into a folder. */
export const treeDownload: BenchCase = {
  ...shared,
  name: "trees download",
  served: ["tree"],
  columns: [...shared.columns],
  job: { case: "downloadTree", ...job },
  ground: emptyFolder,
  contenders: contenders("download()"),
  figures: (results) => [
    results.atLeast(
      "10,000 files downloaded, against the faster of the AWS CLI and rclone",
      2,
      "dipper download()",
      results.best(asTheyCome),
    ),
    results.atLeast(
      "the same, against rclone told to take 32 at once",
      1,
      "dipper download()",
      results.best((one) => one.role === "peer" && !asTheyCome(one)),
    ),
  ],
};

/** Peers with their own settings. */
function asTheyCome({ role, label }: Contender): boolean {
  return role === "peer" && !label.includes("at once");
}

/** From a folder. */
export const treeUpload: BenchCase = {
  ...shared,
  name: "trees upload",
  served: [],
  columns: [...shared.columns],
  job: { case: "uploadTree", ...job },
  ground: emptyPrefix,
  contenders: contenders("upload()"),
  figures: (results) => [
    results.atLeast(
      "10,000 files uploaded, against the faster of the AWS CLI and rclone",
      2,
      "dipper upload()",
      results.best(asTheyCome),
    ),
    results.atLeast(
      "the same, against rclone told to take 32 at once",
      1,
      "dipper upload()",
      results.best((one) => one.role === "peer" && !asTheyCome(one)),
    ),
  ],
};
