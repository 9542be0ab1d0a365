/**
 * `deno task bench`: dipper beside its peers, in alternating runs of one invocation.
 *
 * Sets the peers up, starts the servers, runs each case and prints its table, then the figures to
 * reach with the ratios reached, then who was measured on what. A peer that cannot be had is named.
 * Words select the cases whose names contain one of them; `--rounds N` says how often each
 * contender runs; `--untouched` leaves
 * the machine's free memory as it is (`peers/rust/src/touch.rs`).
 *
 * Absolute numbers move with the machine and with whatever else it does. Ratios within one run
 * count.
 *
 * @module
 */
import { killAll, Unavailable } from "../tools/commands.ts";
import { type BenchCase, type Figure, Results } from "./bench_case.ts";
import { displays } from "./displays.ts";
import { borrowing } from "./borrowing.ts";
import { importing } from "./importing.ts";
import { checksum, scaleDoubles, scaleSingles } from "./in_memory.ts";
import { largeObjectHttp, largeObjectHttps } from "./large_object.ts";
import { latency } from "./latency.ts";
import { linesOfFile } from "./lines.ts";
import { listing } from "./listing.ts";
import { machine } from "./machine.ts";
import { Programs } from "./peers/programs.ts";
import { repeatedObject } from "./repeated_object.ts";
import { progress } from "./progress.ts";
import { runRounds } from "./rounds.ts";
import { Servers } from "./setup/servers.ts";
import { search } from "./search.ts";
import { smallObjects } from "./small_objects.ts";
import { soak } from "./soak.ts";
import { streamMemory } from "./stream_memory.ts";
import { caseTable, figureTable } from "./table.ts";
import {
  tablesCsv,
  tablesFlights,
  tablesJson,
  tablesLineitem,
  tablesWriteArrow,
  tablesWriteCsv,
  tablesWriteJson,
  tablesWriteParquet,
} from "./tables.ts";
import { treeDownload, treeUpload } from "./trees.ts";
import { upload } from "./upload.ts";
import { uploadMemory, uploadMemoryHuge } from "./upload_memory.ts";

const CASES: readonly BenchCase[] = [
  largeObjectHttp,
  largeObjectHttps,
  repeatedObject,
  smallObjects,
  latency,
  listing,
  borrowing,
  displays,
  progress,
  importing,
  checksum,
  scaleDoubles,
  scaleSingles,
  linesOfFile,
  search,
  streamMemory,
  upload,
  uploadMemory,
  uploadMemoryHuge,
  treeDownload,
  treeUpload,
  tablesFlights,
  tablesLineitem,
  tablesCsv,
  tablesJson,
  tablesWriteCsv,
  tablesWriteJson,
  tablesWriteParquet,
  tablesWriteArrow,
  soak,
];

const ROUNDS = 5;

/** What the command line asks for. */
interface Choice {
  cases: BenchCase[];
  rounds: number;
  touched: boolean;
}

const lower = ({ name }: { name: string }): string => name.toLowerCase();

/** What the command line asks for, or what is wrong with it. */
function chosen(args: string[]): Choice | string {
  const words: string[] = [];
  let rounds = ROUNDS;
  let touched = true;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--rounds" || arg.startsWith("--rounds=")) {
      rounds = Number(arg.split("=")[1] ?? args[++index]);
      if (!Number.isInteger(rounds) || rounds < 1) return "--rounds takes a number from 1";
    } else if (arg === "--untouched") touched = false;
    else if (arg.startsWith("-")) {
      return `there is no option ${arg}; there are --rounds N and --untouched`;
    } else words.push(arg.toLowerCase());
  }
  // A whole name means that case alone.
  const cases = CASES.filter(({ name, long }) =>
    words.length === 0
      ? !long
      : words.some((word) =>
        CASES.some((one) => lower(one) === word)
          ? lower({ name }) === word
          : lower({ name }).split(" ").includes(word)
      )
  );
  return cases.length > 0
    ? { cases, rounds, touched }
    : `no case has a word of "${words.join(" ")}"`;
}

async function bench({ cases, rounds, touched }: Choice, signal: AbortSignal): Promise<void> {
  const programs = new Programs();
  await using servers = new Servers();
  const where = await machine();
  const figures: Figure[] = [];
  for (const of of cases) {
    const ran = await runRounds(of, programs, servers, { rounds, touched, signal });
    console.log(`\n${caseTable(of, ran)}`);
    figures.push(...of.figures?.(new Results(of, ran.outcomes)) ?? []);
  }
  console.log(`\n${figureTable(figures)}\n`);
  const each = [...new Set(cases.map((of) => of.rounds ?? rounds))].join(" or ");
  console.log(
    `Medians of ${each} alternating rounds${touched ? "" : ", memory untouched"}, on ${where}.`,
  );
  const versions = [await servers.nginxVersion(), ...await programs.versions()];
  console.log(`With ${versions.filter((version) => version !== "").join(", ")}.`);
}

async function main(): Promise<number> {
  const choice = chosen(Deno.args);
  if (typeof choice === "string") {
    console.error(`${choice}. There are:`);
    for (const { name, long } of CASES) console.error(`  ${name}${long ? " (when named)" : ""}`);
    return 2;
  }
  if (Deno.build.os !== "linux") {
    console.error("The bench reads processor time and memory from Linux's /proc; it runs there.");
    return 2;
  }
  const interrupted = new AbortController();
  const interrupt = (): void => {
    if (interrupted.signal.aborted) {
      killAll();
      Deno.exit(130);
    }
    console.error("\nStopping.");
    interrupted.abort(new Error("interrupted"));
  };
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  try {
    await bench(choice, interrupted.signal);
    return 0;
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    if (!(error instanceof Unavailable)) throw error;
    console.error(error.message);
    return 1;
  } finally {
    killAll();
  }
}

Deno.exit(await main());
