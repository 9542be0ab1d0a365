// How a call under way shows itself: a bar, how much is done, how fast, and how long it will take.
// The same facts as HTML for a cell and as one line for a terminal, cut to its width.

import { markup } from "./html.ts";
import { type MediaBundle, mediaBundle } from "./media_bundle.ts";
import { countOf, formatBytes, formatCount, formatDuration, formatRate } from "./quantities.ts";
import { shownUri } from "./redaction.ts";
import { columnsOf, cutEnd, cutMiddle, visibleText } from "./visible_text.ts";

/** How far a call is. */
export interface ProgressLike {
  /** What was called. */
  readonly operation: string;
  /** What it is about. */
  readonly subject: string;
  /** Bytes that are done. */
  readonly bytes: number;
  /** Bytes in all; 0 while that is not known. */
  readonly total: number;
  /** Files or objects that are done, where there are several. */
  readonly files?: number | undefined;
  /** How many there are. */
  readonly totalFiles?: number | undefined;
  /** What they are. Default: objects. */
  readonly noun?: string | undefined;
  /** Requests that were sent again. */
  readonly retries?: number | undefined;
  /** How long it has taken. */
  readonly milliseconds: number;
  /** `undefined` while it goes on. */
  readonly outcome?: "done" | "failed" | "stopped" | undefined;
}

const WIDE_BAR = 20;
const NARROW_BAR = 10;
const NARROWEST = 20;

/**
 * Displays how far a call is.
 *
 * @example
 * ```ts
 * const about = { operation: "bytes", subject: "s3://b/k" };
 * showProgress({ ...about, bytes: 1, total: 2, milliseconds: 600 });
 * ```
 */
export function showProgress(progress: ProgressLike): MediaBundle {
  const { operation, outcome } = progress;
  const subject = cutMiddle(shownUri(progress.subject), 100);
  const share = shareOf(progress);
  const width = share === undefined ? "100" : (100 * share).toFixed(1);
  const colour = outcome === "failed" || outcome === "stopped"
    ? "var(--jp-error-color1,#d93a35)"
    : "var(--jp-brand-color1,#2a7fc9)";
  const faint = share === undefined && outcome === undefined ? ";opacity:.35" : "";
  return mediaBundle(
    markup`<div class="dipper-progress" style="font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-content-font-color1,inherit);max-width:100%"><div style="overflow-wrap:anywhere"><b>${operation}</b> <bdi>${subject}</bdi></div><div role="progressbar" aria-label="${operation}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="${
      share === undefined ? "0" : Math.round(100 * share)
    }" style="height:8px;width:min(100%,420px);border-radius:4px;overflow:hidden;margin:4px 0;background:color-mix(in srgb,currentColor 14%,transparent)"><div style="height:8px;width:${width}%;background:${colour}${faint}"></div></div><div style="font-variant-numeric:tabular-nums">${
      factsOf(progress).join(" · ")
    }</div></div>`,
    progressLine(progress, 120),
  );
}

/** The same as one line of so many columns at most. */
export function progressLine(progress: ProgressLike, columns: number): string {
  const room = Math.max(NARROWEST, columns);
  const share = shareOf(progress);
  const facts = factsOf(progress);
  const name = visibleText(progress.operation);
  const bar = (width: number): string | undefined =>
    share === undefined || progress.outcome !== undefined
      ? undefined
      : `[${"#".repeat(Math.floor(width * share)).padEnd(width, "-")}]`;
  // What is told first is kept longest.
  const choices = [
    [bar(WIDE_BAR), ...facts],
    [bar(NARROW_BAR), ...facts],
    facts,
    facts.slice(0, 2),
    facts.slice(0, 1),
  ];
  for (const parts of choices) {
    const rest = parts.filter((part) => part !== undefined).join("  ");
    const left = room - columnsOf(name) - columnsOf(rest) - 4;
    if (left < 12) continue;
    const subject = visibleText(cutMiddle(shownUri(progress.subject), Math.min(left, 60)));
    const line = `${name} ${subject}  ${rest}`;
    if (columnsOf(line) <= room) return line;
  }
  return cutEnd(`${name}  ${facts[0] ?? ""}`, room);
}

function shareOf({ bytes, total, files, totalFiles, outcome }: ProgressLike): number | undefined {
  if (outcome === "done") return 1;
  if (total > 0) return Math.min(1, bytes / total);
  if (files !== undefined && totalFiles) return Math.min(1, files / totalFiles);
  return undefined;
}

function factsOf(progress: ProgressLike): string[] {
  const { bytes, total, files, totalFiles, noun = "object", milliseconds, outcome } = progress;
  const facts: string[] = [];
  if (outcome === "failed" || outcome === "stopped") facts.push(outcome);
  if (files !== undefined && bytes === 0 && total === 0) {
    facts.push(...countsOf({ ...progress, files, noun }));
    facts.push(...retriesOf(progress));
    return facts;
  }
  if (outcome === "done" || (outcome !== undefined && total === 0)) facts.push(formatBytes(bytes));
  else if (total > 0) {
    facts.push(
      `${Math.floor(100 * Math.min(1, bytes / total))} %`,
      `${formatBytes(bytes)} of ${formatBytes(total)}`,
    );
  } else facts.push(bytes > 0 ? formatBytes(bytes) : "waiting");
  if (files !== undefined && totalFiles !== undefined) {
    facts.push(
      outcome === "done"
        ? countOf(files, noun)
        : `${formatCount(files)} of ${countOf(totalFiles, noun)}`,
    );
  } else if (files !== undefined) facts.push(countOf(files, noun));
  if (bytes > 0) facts.push(formatRate(bytes, milliseconds));
  if (outcome !== undefined) facts.push(`in ${formatDuration(milliseconds)}`);
  else if (bytes > 0 && total > bytes) {
    facts.push(`${formatDuration(milliseconds * (total - bytes) / bytes)} left`);
  }
  facts.push(...retriesOf(progress));
  return facts;
}

function retriesOf({ retries }: ProgressLike): string[] {
  return retries === undefined || retries === 0 ? [] : [countOf(retries, "retry")];
}

/** The facts where nothing but things is counted, as in a listing. */
function countsOf(
  { files, totalFiles, noun, milliseconds, outcome }: ProgressLike & {
    files: number;
    noun: string;
  },
): string[] {
  const facts: string[] = [];
  if (outcome !== undefined) facts.push(countOf(files, noun));
  else if (totalFiles === undefined) facts.push(files > 0 ? countOf(files, noun) : "waiting");
  else {
    if (totalFiles > 0) facts.push(`${Math.floor(100 * Math.min(1, files / totalFiles))} %`);
    facts.push(`${formatCount(files)} of ${countOf(totalFiles, noun)}`);
  }
  if (files > 0 && milliseconds > 0) {
    facts.push(`${formatCount(Math.max(1, Math.round(files / (milliseconds / 1000))))}/s`);
  }
  if (outcome !== undefined) facts.push(`in ${formatDuration(milliseconds)}`);
  else if (files > 0 && totalFiles !== undefined && totalFiles > files) {
    facts.push(`${formatDuration(milliseconds * (totalFiles - files) / files)} left`);
  }
  return facts;
}
