/** A module that imports nothing: what importing costs whoever is imported. */
export const NOTHING = undefined;
