// The names of the options of reads and of handles.

import type { FileOptions, ReadOptions } from "./read_options.ts";

/** Their names, beside what every call takes. */
export const READ_OPTIONS: readonly (keyof ReadOptions)[] = ["ifMatch"];

/** Their names. */
export const FILE_OPTIONS: readonly (keyof FileOptions)[] = ["versionId", "customerKey", "map"];
