// What must not be shown: credentials in an address, signed queries, access key ids in messages.
// Other rooms keep secrets out of what they hand over; this is the second lock, because an output
// is saved in the notebook and travels with it.

import { cutEnd } from "./visible_text.ts";

const HIDDEN = "\u2026";

// Parameters that carry or are a signature: AWS, Google and Azure, CloudFront, common tokens.
const SIGNED_PARAMETER =
  /([?&;](?:amp;)?)((?:x-amz-|x-goog-)[\w%-]*|x%2d[\w%-]*|signature|awsaccesskeyid|googleaccessid|key-pair-id|policy|sig|token|access_token|id_token|refresh_token|api[_-]?key|password|secret|client_secret)=[^&\s"'<>]*/gi;

// user:password@ after a scheme. A secret key pasted as it is may hold "/", so a colon that begins
// no port number extends the search to the next "@".
const USER_INFO =
  /\b([a-z][a-z0-9+.-]{0,20}:\/\/)(?:[^\s/?#@]*:(?!\d+(?:\/|$))[^\s@]*@|[^\s/?#@]*@)/gi;

// The patterns above take quadratic time on text made to hurt them, so text is cut before.
const LONGEST = 4096;

const ACCESS_KEY_ID = /\b(AKIA|ASIA)[A-Z0-9]{12,}\b/g;

/**
 * An address as it may be shown: without user and password, and without a signed query.
 *
 * In an `s3:` address everything after the bucket is the key, `?` included, so only parameters of a
 * signature are hidden. Of an `http:` or `https:` address the whole query and fragment are, since
 * nobody can list the names that secrets go by.
 *
 * @example
 * ```ts
 * shownUri("https://me:pw@host/a?X-Amz-Signature=1f"); // "https://host/a?..."
 * ```
 */
export function shownUri(uri: string): string {
  const bare = withoutSecrets(uri);
  if (!/^\s*https?:/i.test(bare)) return bare;
  return bare.replace(/[?#].*$/s, (rest) => rest[0] + HIDDEN);
}

/**
 * Any text, such as an error message, with credentials in addresses and access key ids hidden.
 * Text of more than 4,096 characters is cut.
 */
export function withoutSecrets(text: string): string {
  return cutEnd(text, LONGEST)
    .replace(USER_INFO, `$1`)
    .replace(SIGNED_PARAMETER, `$1$2=${HIDDEN}`)
    .replace(ACCESS_KEY_ID, `$1${HIDDEN}`);
}
