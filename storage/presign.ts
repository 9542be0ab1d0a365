// What a presigned URL may say, checked before anything is signed. Whoever holds such a URL acts
// as its maker, so an option that is misspelt or cannot be kept is an error, never left out.

import { defined } from "../client/connection.ts";
import { invalidInput } from "../ffi/errors.ts";
import type { ObjectMessage, PresignMethodMessage, Request, WriteMessage } from "../ffi/symbols.ts";
import { checkedCall } from "./call_options.ts";
import type { ObjectAt } from "./object_file.ts";
import type { CallOptions } from "./read_options.ts";
import { checkedWrite, SAID_OF_OBJECT, writtenAs } from "./checked_write.ts";
import type { WriteOptions } from "./write_options.ts";

/**
 * What may be written with the URL, for PUT. Each becomes a header that must be sent with the same
 * value: `Content-Type`, `x-amz-meta-…`, `x-amz-tagging`, `x-amz-server-side-encryption…` and so on.
 * What is unset may be sent as the holder likes, except names that start with `x-amz-`, which a
 * signature has to cover.
 */
export type PresignedWrite = Pick<
  WriteOptions,
  | "contentType"
  | "contentEncoding"
  | "contentLanguage"
  | "contentDisposition"
  | "cacheControl"
  | "metadata"
  | "tags"
  | "storageClass"
  | "acl"
  | "encryption"
  | "ifMatch"
  | "ifNoneMatch"
>;

/** What `presign` takes. */
export interface PresignOptions extends CallOptions, PresignedWrite {
  /** What the holder of the URL may do. Default: `"GET"`. */
  method?: "GET" | "HEAD" | "PUT" | "DELETE";
  /**
   * For how many seconds, from 1 to 604,800 (seven days). Temporary credentials end the URL when
   * they end: a time beyond that is refused. Default: 900, or less where the credentials end.
   */
  expiresIn?: number;
  /** The version to read or delete. Default: that of the handle, else the newest. */
  versionId?: string;
  /** For PUT: how many bytes must be sent. Unset, any number may be. */
  contentLength?: number;
  /** For GET and HEAD: the `Content-Type` of the answer. */
  responseContentType?: string;
  /** For GET and HEAD: its `Content-Disposition`, such as `attachment; filename="a.csv"`. */
  responseContentDisposition?: string;
  /** For GET and HEAD: its `Content-Encoding`. */
  responseContentEncoding?: string;
  /** For GET and HEAD: its `Content-Language`. */
  responseContentLanguage?: string;
  /** For GET and HEAD: its `Cache-Control`. */
  responseCacheControl?: string;
  /** For GET and HEAD: its `Expires`. */
  responseExpires?: Date;
}

const LONGEST = 604_800;
/** What S3 takes in one PUT. */
const LARGEST = 5 * 1024 ** 3;

type Name = keyof PresignOptions;

const TEXTS = [
  "versionId",
  "contentType",
  "responseContentType",
  "responseContentDisposition",
  "responseContentEncoding",
  "responseContentLanguage",
  "responseCacheControl",
] as const satisfies readonly Name[];
const FOR_READS = [
  "responseContentType",
  "responseContentDisposition",
  "responseContentEncoding",
  "responseContentLanguage",
  "responseCacheControl",
  "responseExpires",
] as const satisfies readonly Name[];
const SAID = [
  ...SAID_OF_OBJECT,
  "ifNoneMatch",
] as const satisfies readonly (keyof PresignedWrite)[];
const FOR_WRITES = [...SAID, "contentLength"] as const satisfies readonly Name[];
const KNOWN: readonly string[] = [
  ...["method", "expiresIn", "versionId"],
  ...[...FOR_WRITES, ...FOR_READS],
];
const METHODS: readonly PresignMethodMessage[] = ["GET", "HEAD", "PUT", "DELETE"];

/**
 * Checks the options of `presign` and makes the request for it.
 *
 * @throws {InvalidInputError} Naming the option that cannot be meant.
 */
export function presignRequest(
  options: PresignOptions,
  { versionId: handleVersion, customerKey, uri }: ObjectAt,
): (object: ObjectMessage) => Request {
  const refused = (message: string, hint: string) => invalidInput("presign", message, hint, uri);
  const checked: PresignOptions = checkedCall(options, "presign", uri, KNOWN);
  const method = checked.method ?? "GET";
  if (!METHODS.includes(method)) {
    throw refused("method is none that can be presigned", `pass one of ${METHODS.join(", ")}`);
  }
  const whole = (name: "expiresIn" | "contentLength", least: number, most: number) => {
    const value: unknown = checked[name];
    if (value === undefined) return undefined;
    if (
      typeof value === "number" && Number.isInteger(value) && value >= least && value <= most
    ) return value;
    const unit = name === "expiresIn" ? "seconds" : "bytes";
    throw refused(
      `${name} is not a whole number of ${unit} from ${least} to ${most}`,
      name === "expiresIn" ? "S3 takes signed URLs for seven days at most" : `mend ${name}`,
    );
  };
  const expiresIn = whole("expiresIn", 1, LONGEST);
  const contentLength = whole("contentLength", 0, LARGEST);
  for (const name of TEXTS) {
    const value: unknown = checked[name];
    // What becomes a header of a request or an answer, and so ASCII on one line.
    if (value === undefined || (typeof value === "string" && /^[\x20-\x7e]+$/.test(value))) {
      continue;
    }
    throw refused(
      `${name} is not a text that a header can hold`,
      `pass ${name} in ASCII; a file name in other letters is written filename*=UTF-8''…`,
    );
  }
  const refuse = (names: readonly Name[], methods: string) => {
    const name = names.find((name) => checked[name] !== undefined);
    if (name === undefined) return;
    throw refused(`${name} means nothing in a URL for ${method}`, `it is for ${methods}`);
  };
  if (method !== "PUT") refuse(FOR_WRITES, "PUT; the answer's type is responseContentType");
  if (method === "PUT" || method === "DELETE") refuse(FOR_READS, "GET and HEAD");
  const versionId = checked.versionId ?? handleVersion;
  if (method === "PUT" && versionId !== undefined) {
    throw refused("a version cannot be written", "presign a PUT of the object without versionId");
  }
  const { responseExpires: expires } = checked;
  if (expires !== undefined && !(expires instanceof Date && Number.isFinite(expires.getTime()))) {
    throw refused("responseExpires is not a Date", "pass a valid Date");
  }
  const response = defined({
    contentType: checked.responseContentType,
    contentDisposition: checked.responseContentDisposition,
    contentEncoding: checked.responseContentEncoding,
    contentLanguage: checked.responseContentLanguage,
    cacheControl: checked.responseCacheControl,
    expires: expires?.getTime(),
  });
  const write = writeOf(checked, method, customerKey, uri);
  // Whoever reads it has to have the key, and to send it.
  const forReads = method === "GET" || method === "HEAD" ? { customerKey } : {};
  return ({ client, bucket, key }) => ({
    operation: "presign",
    object: { client, bucket, key, ...defined({ versionId, ...forReads }) },
    method,
    response,
    write,
    ...defined({ expiresIn, contentLength }),
  });
}

/** What the URL says of the object that is written; nothing where none is. */
function writeOf(
  options: PresignOptions,
  method: PresignMethodMessage,
  customerKey: string | undefined,
  uri: string,
): WriteMessage {
  if (method !== "PUT") return { metadata: {} };
  const said = SAID.filter((name) => options[name] !== undefined)
    .map((name) => [name, options[name]]);
  const own: WriteOptions = customerKey === undefined ? {} : { encryption: { customerKey } };
  const write = checkedWrite({ ...own, ...Object.fromEntries(said) }, "presign", uri);
  return writtenAs(write, "presign", uri);
}
