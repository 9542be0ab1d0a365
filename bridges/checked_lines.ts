// The options of lines and messages, checked, and as the native side wants them.

import { defined } from "../client/connection.ts";
import { invalidInput, unknownOption } from "../ffi/errors.ts";
import type {
  CompressionMessage,
  ContentMessage,
  CutMessage,
  LengthMessage,
} from "../ffi/symbols.ts";
import type { FramesOptions, LinesOptions, TopicOptions } from "./line_options.ts";

/** What opening a source takes of the options. */
export interface Cutting {
  readonly cut: CutMessage;
  readonly content?: ContentMessage;
  readonly compression?: CompressionMessage;
  readonly stallTimeout?: number;
  readonly progress: boolean;
  readonly topic?: TopicOptions;
}

const DEFAULT_MOST = 16 * 1024 * 1024;
/** Offsets have 32 bits, and V8 holds no longer string. */
const MOST_BYTES = 2 ** 31 - 1;
const MOST_TEXT = 2 ** 29 - 24;

const COMPRESSIONS = ["auto", "none", "gzip", "deflate", "zstd", "bzip2", "xz"] as const;

/** Names that options have elsewhere, or that are mistyped, do nothing in silence. */
const COMMON = [
  "signal",
  "onProgress",
  "progress",
  "background",
  "ifMatch",
  "compression",
  "stallTimeout",
  "client",
];
const OF_TOPICS = ["from", "until", "limit", "partition"] as const;
const OF_LINES = [...COMMON, "as", "batch", "encoding", "maxLineLength", ...OF_TOPICS];
/** What bytes have and records have not. */
const NOT_OF_TOPICS = ["compression", "ifMatch"] as const;
const OF_FRAMES = [...COMMON, "length", "batch", "maxFrameLength"];

/**
 * Checks how lines are read.
 *
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedLines(
  options: LinesOptions,
  uri: string,
  isTopic = false,
): Cutting & { text: boolean } {
  const check = checks(options, "lines", uri, OF_LINES);
  const text = check.oneOf("as", ["text", "bytes"] as const) !== "bytes";
  check.flag("batch");
  const { encoding } = options;
  if (encoding !== undefined && !text) {
    throw check.refused("bytes have no encoding", "leave encoding or as away");
  }
  if (encoding !== undefined && (typeof encoding !== "string" || encoding.trim() === "")) {
    throw check.refused("encoding is no label", 'pass "utf-8", "lossy", "utf-16le" or the like');
  }
  const most = check.most("maxLineLength", text ? MOST_TEXT : MOST_BYTES);
  return {
    ...check.common(),
    ...defined({ topic: topicOptions(check, options, isTopic) }),
    text,
    cut: { kind: "lines", most },
    ...defined({ content: text ? contentOf(encoding) : undefined }),
  };
}

/**
 * Checks how messages are read.
 *
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function checkedFrames(options: FramesOptions, uri: string): Cutting {
  const check = checks(options, "frames", uri, OF_FRAMES);
  check.flag("batch");
  const length: LengthMessage | undefined = check.oneOf("length", ["u32be", "u32le", "varint"]);
  if (length === undefined) {
    throw check.refused(
      "length is missing",
      'say how lengths are written: { length: "u32be" }, "u32le" or "varint"',
    );
  }
  const most = check.most("maxFrameLength", MOST_BYTES);
  return { ...check.common(), cut: { kind: "frames", most, length } };
}

function topicOptions(
  check: ReturnType<typeof checks>,
  options: LinesOptions,
  isTopic: boolean,
): TopicOptions | undefined {
  const strange = isTopic ? NOT_OF_TOPICS : OF_TOPICS;
  const given = strange.find((name) => options[name] !== undefined);
  if (given !== undefined) {
    const what = isTopic ? `${given} is not for topics` : `${given} is for topics only`;
    throw check.refused(what, "leave it away");
  }
  if (!isTopic) return undefined;
  return defined({
    from: check.oneOf("from", ["earliest", "latest"] as const),
    until: check.oneOf("until", ["end"] as const),
    limit: check.whole("limit", 1, Number.MAX_SAFE_INTEGER),
    partition: check.whole("partition", 0, 2 ** 31 - 1),
  });
}

function contentOf(encoding = "utf-8"): ContentMessage {
  const label = encoding.trim().toLowerCase();
  if (label === "lossy") return { kind: "utf8", strict: false };
  if (label === "utf-8" || label === "utf8") return { kind: "utf8", strict: true };
  return { kind: "encoded", label };
}

function checks(
  options: LinesOptions | FramesOptions,
  operation: string,
  uri: string,
  known: readonly string[],
) {
  const refused = (what: string, hint: string) => invalidInput(operation, what, hint, uri);
  if (typeof options !== "object" || options === null) {
    throw refused("the options are no object", "pass { batch, \u2026 }");
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw unknownOption(operation, name, known, uri);
  }
  const given = options as Readonly<Record<string, unknown>>;
  const whole = (name: string, least: number, most: number): number | undefined => {
    const value = given[name];
    if (value === undefined) return undefined;
    const fits = typeof value === "number" && Number.isSafeInteger(value) && value >= least &&
      value <= most;
    if (fits) return value;
    throw refused(`${name} is not a whole number from ${least} to ${most}`, "pass it as a number");
  };
  const oneOf = <T extends string>(name: string, words: readonly T[]): T | undefined => {
    const value = given[name];
    const word = words.find((word) => word === value);
    if (value === undefined || word !== undefined) return word;
    const list = words.map((word) => `"${word}"`).join(", ");
    throw refused(`${name} is none of its values`, `pass one of ${list}`);
  };
  return {
    refused,
    oneOf,
    whole,
    flag(name: string): void {
      if (given[name] === undefined || typeof given[name] === "boolean") return;
      throw refused(`${name} is not true or false`, "pass a boolean");
    },
    most: (name: string, most: number) => whole(name, 1, most) ?? DEFAULT_MOST,
    common(): Omit<Cutting, "cut"> {
      const compression = oneOf("compression", COMPRESSIONS);
      return {
        progress: options.onProgress !== undefined,
        ...defined({
          compression: compression === "auto" ? undefined : compression,
          stallTimeout: whole("stallTimeout", 0, 2 ** 31 - 1),
        }),
      };
    },
  };
}
