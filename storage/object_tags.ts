// Tags of an object, checked against S3's limits before they are sent.

import { invalidInput } from "../ffi/errors.ts";

const MOST_TAGS = 10;
const LONGEST_KEY = 128;
const LONGEST_VALUE = 256;
/** What S3 takes: letters, numbers and spaces of any script, and these signs. */
const ALLOWED = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/**
 * Checks tags, and copies them.
 *
 * @throws {InvalidInputError} For more than 10, and for names and values that S3 refuses.
 */
export function checkedTags(
  tags: Record<string, string>,
  operation: string,
  uri: string,
): Record<string, string> {
  const refused = (what: string, hint: string) => invalidInput(operation, what, hint, uri);
  // A Map has no properties: taken as an object, it would stand for no tags at all.
  if (typeof tags !== "object" || tags === null || Symbol.iterator in tags) {
    throw refused(
      "tags are not an object of strings",
      'pass { name: "value" }; Object.fromEntries() makes one of a Map',
    );
  }
  const entries = Object.entries(tags);
  if (entries.length > MOST_TAGS) {
    throw refused(
      `${entries.length} tags are more than the ${MOST_TAGS} that an object may have`,
      "keep the others in the metadata",
    );
  }
  for (const [name, value] of entries) {
    const shown = JSON.stringify(name);
    if (typeof value !== "string") {
      throw refused(`the tag ${shown} is no string`, "pass strings as values");
    }
    if (name === "" || name.length > LONGEST_KEY || value.length > LONGEST_VALUE) {
      throw refused(
        `the tag ${shown.slice(0, 40)} is empty or too long`,
        `a name has 1 to ${LONGEST_KEY} characters, a value at most ${LONGEST_VALUE}`,
      );
    }
    if (!ALLOWED.test(name) || !ALLOWED.test(value)) {
      throw refused(
        `the tag ${shown} holds characters that S3 refuses`,
        "use letters, numbers, spaces and _ . : / = + - @",
      );
    }
    if (/^aws:/i.test(name)) {
      throw refused(`the tag ${shown} belongs to AWS`, "choose a name that does not start so");
    }
  }
  return { ...tags };
}
