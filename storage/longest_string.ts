// Where strings end.

/** The longest string that V8 holds, in UTF-16 units; text has at least as many bytes. */
export const LONGEST_STRING: number = 2 ** 29 - 24;
