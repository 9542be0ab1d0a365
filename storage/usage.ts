// `usage`: what it takes and what it gives. `parallel_count.ts` lists, and is loaded with the first count.

import type { Connection } from "../client/connection.ts";
import { type Location, uriOf } from "../client/s3_uri.ts";
import { watching } from "../client/watched.ts";
import { invalidInput } from "../ffi/errors.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import { checkedCall } from "./call_options.ts";
import { Glob } from "./glob.ts";
import type { ListingPlan } from "./listed_pages.ts";
import type { CallOptions } from "./read_options.ts";
import type { UsageReport } from "./usage_report.ts";
import type { UsageTally } from "./usage_tally.ts";

/** What `usage` takes beside the prefix. */
export interface UsageOptions extends Omit<CallOptions, "onProgress"> {
  /** How many levels of folders below the prefix are told apart. Default: 1. With 0, none. */
  depth?: number;
  /** Only keys of which the part behind the URI's prefix matches, as for `list`. */
  glob?: string;
  /** How many listings run at once. Default: 16. */
  parallel?: number;
  /** Told what was counted so far, at most twice a second. */
  onProgress?: (report: UsageReport) => void;
}

const PARALLEL = 16;
const MOST_PARALLEL = 256;
const MOST_DEPTH = 32;

/**
 * A count under way: awaited, it gives the report. What was counted so far is in
 * {@linkcode report} at any time, and stays there when the count is stopped or fails.
 *
 * @example
 * ```ts
 * import { LocalS3 } from "dipper";
 * await using s3 = await LocalS3.start();
 * const client = s3.client();
 * await client.createBucket("example");
 * await client.file("s3://example/a.csv").write("1,2,3");
 * const counting = client.usage("s3://example/");
 * try {
 *   await counting;
 * } catch (reason) {
 *   console.log("stopped", reason);
 * }
 * console.log(counting.report.bytes, counting.report.complete); // 5 true
 * ```
 */
export class UsageCounting implements Promise<UsageReport> {
  /** What `Object.prototype.toString` says. */
  readonly [Symbol.toStringTag] = "UsageCounting";
  readonly #uri: string;
  #tally: UsageTally | undefined;
  readonly #ended: Promise<UsageReport>;

  /** @internal */
  constructor(uri: string, count: (begun: (tally: UsageTally) => void) => Promise<UsageReport>) {
    this.#uri = uri;
    this.#ended = count((tally) => this.#tally = tally);
  }

  /** What was counted so far. `complete` tells whether that is all. */
  get report(): UsageReport {
    return this.#tally?.report() ?? nothingYet(this.#uri);
  }

  /** Waits for the end, as a promise does. */
  then<T = UsageReport, U = never>(
    onFulfilled?: ((report: UsageReport) => T | PromiseLike<T>) | null,
    onRejected?: ((reason: unknown) => U | PromiseLike<U>) | null,
  ): Promise<T | U> {
    return this.#ended.then(onFulfilled, onRejected);
  }

  /** Waits for a failure, as a promise does. */
  catch<U = never>(
    onRejected?: ((reason: unknown) => U | PromiseLike<U>) | null,
  ): Promise<UsageReport | U> {
    return this.#ended.catch(onRejected);
  }

  /** Waits for the end, good or bad, as a promise does. */
  finally(onFinally?: (() => void) | null): Promise<UsageReport> {
    return this.#ended.finally(onFinally);
  }

  /** Shows the report in a notebook, at its end or as far as it came. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const report = await this.#ended.catch(() => this.report);
    return (await import("../jupyter/show_usage.ts")).showUsage(report);
  }

  /** Shows in a terminal what was counted so far. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.#tally === undefined
      ? `UsageCounting of ${this.#uri}: nothing is counted yet`
      : Deno.inspect(this.report);
  }
}

/** Starts to count what is below a prefix. */
export function usageOf(
  connection: Connection,
  location: Location,
  options: UsageOptions,
): UsageCounting {
  const uri = uriOf(location);
  options = checkedCall(options, "usage", uri, ["depth", "glob", "parallel"]);
  const { depth = 1, parallel = PARALLEL, glob: pattern } = options;
  checkNumber("depth", depth, 0, MOST_DEPTH, uri);
  checkNumber("parallel", parallel, 1, MOST_PARALLEL, uri);
  const glob = pattern === undefined ? undefined : new Glob(pattern, "usage", uri);
  const { bucket, key: prefix } = location;
  const plan: ListingPlan = {
    operation: "usage",
    uri,
    what: "objects",
    bucket,
    prefix: prefix + (glob?.literalPrefix ?? ""),
    delimiter: undefined,
    owner: false,
  };
  const wanted = glob && ((key: string) => glob.matches(key.slice(prefix.length)));
  const call = watching("usage", uri, options.progress === false ? { progress: false } : {});
  const onProgress = call === undefined ? options.onProgress : (report: UsageReport): void => {
    call.reached({ bytes: 0, total: 0, files: report.objects });
    options.onProgress?.(report);
  };
  const told = onProgress === undefined ? options : { ...options, onProgress };
  return new UsageCounting(uri, async (begun) => {
    try {
      const [{ ParallelCount }, { UsageTally }] = await Promise.all([
        import("./parallel_count.ts"),
        import("./usage_tally.ts"),
      ]);
      const tally = new UsageTally(uri, bucket, prefix, depth);
      begun(tally);
      await new ParallelCount(connection, plan, wanted, parallel, tally, told).run();
      call?.end("done");
      return tally.report();
    } catch (reason) {
      call?.fail(reason);
      throw reason;
    }
  });
}

/** The report while nothing was listed. */
function nothingYet(uri: string): UsageReport {
  const none = { folders: [], extensions: [], storageClasses: [], ages: [] };
  return { uri, complete: false, objects: 0, bytes: 0, ...none, pages: 0, milliseconds: 0 };
}

function checkNumber(name: string, value: unknown, least: number, most: number, uri: string): void {
  if (Number.isSafeInteger(value) && least <= (value as number) && (value as number) <= most) {
    return;
  }
  throw invalidInput(
    "usage",
    `${name} is not a number from ${least} to ${most}: ${String(value)}`,
    `pass a whole number`,
    uri,
  );
}
