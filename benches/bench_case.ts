/**
 * What a case of the bench is: who runs against whom with what job, what the table shows of it, and
 * which figures it decides.
 *
 * @module
 */
import type { ProgramName } from "./peers/programs.ts";
import type { Job, Outcome } from "./job.ts";
import type { TableName } from "./setup/tables.ts";
import type { Servers } from "./setup/servers.ts";

/** What a contender is to the figures. */
export type Role =
  | "dipper"
  | "limit" // what no client can beat
  | "mark" // worth knowing, but no rival: it keeps nothing
  | "peer"
  | "JavaScript peer";

/** One row of a table. */
export interface Contender {
  /** Such as `boto3, get_object`. */
  label: string;
  /** What it is to the figures. */
  role: Role;
  /** What to run. */
  program: ProgramName;
  /** What of the case's job is different for it. */
  job?: Partial<Job> & { memory?: "fresh" | "huge" | "warm" };
}

/** What is to be served. */
export type Served = "tiny" | "medium" | "large" | "huge" | "small" | "tree" | TableName;

/** Where a case's requests go. */
export type ServerName =
  | "http" // nginx
  | "https"
  | "versitygw" // S3 over files in memory, not ours
  | "scripted"; // answers at once: pages made beforehand, and a sink

/** The place of one run. */
export interface Ground {
  /** What of the job is for this run only. */
  job: Partial<Job>;
  /** Looks at what the run left, and clears it away. Tells what is wrong with it, if anything. */
  cleared(): Promise<string | undefined>;
}

/** One concept of the bench. */
export interface BenchCase {
  /** What words on the command line select it by. */
  name: string;
  /** Run only when a word selects it: it takes long. */
  long?: boolean;
  /** The server. */
  server: ServerName;
  /** The objects that have to be there. */
  served: Served[];
  /** The job that all do. */
  job: Pick<Job, "case" | "bucket" | "key" | "size"> & Partial<Job>;
  /** How often each runs, if not as often as the command line says. */
  rounds?: number;
  /** How long one run may take, if not three minutes. */
  minutes?: number;
  /** Touch this much memory before each run (`peers/rust/src/touch.rs`). */
  touch?: number;
  /** Makes the place of each run, where a run leaves something. */
  ground?(servers: Servers): Promise<Ground>;
  /** In the order of the rows and of each round. */
  contenders: Contender[];
  /** What makes one better than another; more is better. */
  rate: { unit: string; of(outcome: Outcome): number };
  /** More columns. */
  columns: Column[];
  /** The figures to reach. */
  figures?(results: Results): Figure[];
}

/** A column beside the rate. */
export interface Column {
  /** Its head, with the unit. */
  head: string;
  /** A number to take the median of, or undefined where it says nothing. */
  of(outcome: Outcome): number | undefined;
  /** How many digits after the point. */
  digits: number;
}

/** A figure to reach and what was reached. */
export interface Figure {
  /** Such as `1 GiB bytes(), HTTP: the best peer`. */
  what: string;
  /** Such as `at least 1.1 x`. */
  wanted: string;
  /** Such as `1.32 x (boto3)`. */
  reached: string;
  /** Whether that is enough; undefined when it could not be measured. */
  ok: boolean | undefined;
}

/** The medians of a case. */
export class Results {
  readonly #case: BenchCase;
  readonly #outcomes: ReadonlyMap<Contender, readonly Outcome[]>;

  /** Of these runs. */
  constructor(of: BenchCase, outcomes: ReadonlyMap<Contender, readonly Outcome[]>) {
    this.#case = of;
    this.#outcomes = outcomes;
  }

  /** The contender of this label, if it ran. */
  named(label: string): Contender | undefined {
    return this.#ran().find((contender) => contender.label === label);
  }

  /** The median of a number over the runs of a contender. */
  median(contender: Contender, of: (outcome: Outcome) => number): number {
    const numbers = (this.#outcomes.get(contender) ?? []).map(of).sort((a, b) => a - b);
    const middle = numbers.length >> 1;
    if (numbers.length === 0) return NaN;
    return numbers.length % 2 === 1
      ? numbers[middle]!
      : (numbers[middle - 1]! + numbers[middle]!) / 2;
  }

  /** The median rate of a contender. */
  rate(contender: Contender): number {
    return this.median(contender, this.#case.rate.of);
  }

  /** Who has the highest median rate among those that ran. */
  best(is: (contender: Contender) => boolean): Contender | undefined {
    return this.#ran().filter(is).sort((a, b) => this.rate(b) - this.rate(a))[0];
  }

  /** Who has the lowest median of a number among those that ran. */
  least(of: (outcome: Outcome) => number, is: (contender: Contender) => boolean) {
    return this.#ran().filter(is).sort((a, b) => this.median(a, of) - this.median(b, of))[0];
  }

  /** A figure: dipper's rate is at least `times` that of a rival. */
  atLeast(what: string, times: number, label: string, rival: Contender | undefined): Figure {
    return this.#compare(what, `at least ${times} x`, label, rival, (ours, theirs) => {
      const ratio = this.rate(ours) / this.rate(theirs);
      return { ratio, ok: ratio >= times };
    });
  }

  /** A figure: a number of dipper's is at most `times` that of a rival. */
  atMost(
    what: string,
    times: number,
    of: (outcome: Outcome) => number,
    label: string,
    rival: Contender | undefined,
  ): Figure {
    return this.#compare(what, `at most ${times} x`, label, rival, (ours, theirs) => {
      const ratio = this.median(ours, of) / this.median(theirs, of);
      return { ratio, ok: ratio <= times };
    });
  }

  /** A figure: the largest value of a number over all runs of dipper's is at most this. */
  within(
    what: string,
    wanted: string,
    mebibytes: number,
    label: string,
    of: (o: Outcome) => number,
  ) {
    const ours = this.named(label);
    if (!ours) return { what, wanted, reached: `${label} did not run`, ok: undefined };
    const most = Math.max(...(this.#outcomes.get(ours) ?? []).map(of)) / 2 ** 20;
    return { what, wanted, reached: `${most.toFixed(1)} MiB`, ok: most <= mebibytes };
  }

  #compare(
    what: string,
    wanted: string,
    label: string,
    rival: Contender | undefined,
    ratioOf: (ours: Contender, theirs: Contender) => { ratio: number; ok: boolean },
  ): Figure {
    const ours = this.named(label);
    if (!ours) return { what, wanted, reached: `${label} did not run`, ok: undefined };
    if (!rival) return { what, wanted, reached: "nobody to compare with ran", ok: undefined };
    const { ratio, ok } = ratioOf(ours, rival);
    return { what, wanted, reached: `${ratio.toFixed(2)} x (${rival.label})`, ok };
  }

  #ran(): Contender[] {
    return this.#case.contenders.filter((one) => (this.#outcomes.get(one) ?? []).length > 0);
  }
}

/** Whether a contender is a rival of dipper's. */
export function isPeer({ role }: Contender): boolean {
  return role === "peer" || role === "JavaScript peer";
}

/** Bytes a second, in GB (10^9). */
export const gigabytesPerSecond: BenchCase["rate"] = {
  unit: "GB/s",
  of: ({ bytes, seconds }) => bytes / 1e9 / seconds,
};

/** Operations a second. */
export const operationsPerSecond: BenchCase["rate"] = {
  unit: "a second",
  of: ({ operations, seconds }) => operations / seconds,
};

/** Processor seconds for each GB. */
export function cpuPerGigabyte({ cpuSeconds, bytes }: Outcome): number {
  return cpuSeconds / (bytes / 1e9);
}

/** The columns of processor time and memory. */
export const cpuColumn: Column = { head: "CPU s/GB", of: cpuPerGigabyte, digits: 2 };

/** Peak memory over the memory before the work; unknown for a program that starts with the work. */
export const peakColumn: Column = {
  head: "peak MiB over idle",
  of: ({ peakBytes, idleBytes }) => idleBytes > 0 ? (peakBytes - idleBytes) / 2 ** 20 : undefined,
  digits: 0,
};
