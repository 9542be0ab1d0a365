// What a listing takes.

import type { CallOptions } from "./read_options.ts";

/** What `list` takes beside the prefix. */
export interface ListOptions extends CallOptions {
  /** Groups keys up to this, such as `"/"`. Default: none, everything below the prefix is walked. */
  delimiter?: string;
  /** Only keys behind this one. */
  startAfter?: string;
  /** At most so many entries. */
  limit?: number;
  /**
   * Only keys of which the part behind the URI's prefix matches: `*` and `?` stay within a folder,
   * `**` as a whole folder's name stands for any number of folders, `[a-z]`, `[!a-z]` and `{a,b}`
   * choose, a backslash takes the meaning from what follows. What the pattern starts with narrows
   * what is listed. With a delimiter, a group matches with or without it. In the URI itself `*` is a
   * character of the key.
   */
  glob?: string;
  /** Every version of each object, the latest first, and delete markers. */
  versions?: boolean;
  /** Tell whose each object is. */
  owner?: boolean;
  /** Goes on where another listing of the same URI was: what its `token` said. */
  token?: string;
}
