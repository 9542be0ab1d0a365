// Rendered from native/capi/src/abi.rs by its test. Do not edit: change the declaration.
// deno-fmt-ignore-file
// deno-lint-ignore-file

/** Why an operation failed: one of a fixed set of codes. */
export type ErrorCode =
  | "NoSuchKey"
  | "NoSuchBucket"
  | "NotFound"
  | "AccessDenied"
  | "InvalidAccessKey"
  | "WrongSignature"
  | "Expired"
  | "InvalidInput"
  | "InvalidRequest"
  | "InvalidRange"
  | "BucketUnavailable"
  | "BucketNotEmpty"
  | "BufferGone"
  | "ClientGone"
  | "FileFailed"
  | "TooLong"
  | "InvalidText"
  | "PreconditionFailed"
  | "ObjectChanged"
  | "ChecksumMismatch"
  | "DamagedData"
  | "Timeout"
  | "Stalled"
  | "ConnectionFailed"
  | "ConnectionBroken"
  | "UnknownHost"
  | "NotS3"
  | "ServerFailure"
  | "SlowDown"
  | "WrongRegion"
  | "TlsFailed"
  | "BudgetExceeded"
  | "OutOfMemory"
  | "PermissionDenied"
  | "NoCredentials"
  | "CredentialsFailed"
  | "Unsupported"
  | "LibraryNotLoaded"
  | "FeatureDisabled"
  | "Internal"
  | "StaleHandle"
  | "Cancelled"
  | "Stopped"
  | "TransferFailed";

export type CredentialsMessage = { "kind": "chain" } | { "kind": "anonymous" } | { "kind": "explicit", accessKeyId: string, secretAccessKey: string, sessionToken?: string, } | { "kind": "function", function: number, } | { "kind": "role" } & RoleMessage;

export type RoleMessage = { roleArn: string, externalId?: string, sessionName?: string, 
/**
 * Seconds.
 */
duration?: number, source: CredentialsMessage, };

export type GivenCredentialsMessage = { accessKeyId: string, secretAccessKey: string, sessionToken?: string, 
/**
 * Milliseconds since 1970.
 */
expiration?: number, };

export type CaBundleMessage = { path: string, 
/**
 * Who names it.
 */
by: string, 
/**
 * What it holds.
 */
text: string, };

export type SurroundingsMessage = { 
/**
 * Environment variables that may be read, by name.
 */
variables: { [key in string]: string }, 
/**
 * Files that may be read, by path.
 */
files: { [key in string]: string }, 
/**
 * Steps of the credential chain that are not allowed.
 */
skipped: Array<string>, };

export type AnswerMessage<T> = { "given": T } | { "failed": string };

export type TransportMessage = "direct" | "sdk" | "http" | "file";

export type ChecksumsMessage = "auto" | "full" | "off";

export type LogLevelMessage = "error" | "warn" | "info" | "debug" | "trace";

export type LoggerMessage = { 
/**
 * What names the logger in its isolate.
 */
id: number, level: LogLevelMessage, };

export type LogRecordMessage = { 
/**
 * Milliseconds since 1970.
 */
time: number, level: LogLevelMessage, target: string, message: string, 
/**
 * The operation in which it happened.
 */
operation: string, 
/**
 * To what, how long it took, and so on.
 */
fields: Record<string, string | number | boolean>, };

export type ClientRequest = { region?: string, endpoint?: string, pathStyle?: boolean, profile?: string, credentials: CredentialsMessage, caCertificates?: string, 
/**
 * Trusted where `ca_certificates` is not set.
 */
caBundle?: CaBundleMessage, 
/**
 * Milliseconds.
 */
connectTimeout?: number, 
/**
 * Milliseconds.
 */
stallTimeout?: number, retries?: number, 
/**
 * Bytes.
 */
memoryBudget?: number, 
/**
 * How many connections one client keeps to a host.
 */
connections?: number, 
/**
 * Bytes.
 */
partSize?: number, transport?: TransportMessage, checksums?: ChecksumsMessage, 
/**
 * Who is told what happens.
 */
logger?: LoggerMessage, 
/**
 * Hosts that IPv6 reaches, too.
 */
dualStack?: boolean, 
/**
 * Hosts with validated cryptography.
 */
fips?: boolean, 
/**
 * Hosts near the caller.
 */
accelerate?: boolean, 
/**
 * The requester pays.
 */
requesterPays?: boolean, 
/**
 * What the credential chain may see as the client is made.
 */
surroundings: SurroundingsMessage, 
/**
 * The function that looks again.
 */
look: number, };

export type ObjectMessage = { client: number, bucket: string, key: string, versionId?: string, 
/**
 * The base64 of 32 bytes.
 */
customerKey?: string, };

export type SourceMessage = { "scheme": "s3", bucket: string, key: string, versionId?: string, 
/**
 * The size, where a listing told it.
 */
size?: number, 
/**
 * The base64 of 32 bytes.
 */
customerKey?: string, } | { "scheme": "http", url: string, } | { "scheme": "file", path: string, };

export type SumMessage = "fnv1a64" | "crc32" | "crc32c" | "crc64nvme" | "sha1" | "sha256";

export type SpanMessage = { "kind": "whole" } | { "kind": "range", start: number, end?: number, } | { "kind": "last", count: number, };

export type LimitMessage = { bytes: number, hint: string, };

export type FeedMessage = { "kind": "object", source: SourceMessage, span: SpanMessage, ifMatch?: string, } | { "kind": "memory", buffer: number, 
/**
 * As errors name it; its end may tell how it is compressed.
 */
shown: string, 
/**
 * Its `Content-Encoding`.
 */
encoding?: string, } | { "kind": "tcp", host: string, port: number, } | { "kind": "unix", path: string, } | { "kind": "standardInput" } | { "kind": "topic", host: string, port: number, topic: string, 
/**
 * Whether only what comes from now on is read.
 */
latest: boolean, 
/**
 * Whether it ends behind what is there now.
 */
toTheEnd: boolean, 
/**
 * It ends after so many records.
 */
limit?: number, partition?: number, 
/**
 * The most bytes of a record.
 */
most: number, };

export type CutMessage = { "kind": "lines", most: number, } | { "kind": "frames", most: number, length: LengthMessage, } | { "kind": "not" };

export type LengthMessage = "u32be" | "u32le" | "varint";

export type ContentMessage = { "kind": "utf8", strict: boolean, } | { "kind": "encoded", label: string, };

export type CompressionMessage = "none" | "gzip" | "deflate" | "zstd" | "bzip2" | "xz";

export type OpenedLinesMessage = { 
/**
 * Whether batches are cut before they are asked for: `dipper_lines_take` may have one, and all
 * have memory of their own.
 */
ahead: boolean, 
/**
 * What opening it took.
 */
metrics: MetricsMessage, };

export type BatchMessage = { 
/**
 * How many elements.
 */
elements: number, 
/**
 * Whether it is the last one.
 */
ended: boolean, 
/**
 * The next element needs a target of so many bytes; the batch is empty.
 */
needed?: number, 
/**
 * Some element has a line feed in it.
 */
innerLineFeed?: boolean, 
/**
 * How many bytes the source gave so far.
 */
taken: number, 
/**
 * Whether batches are still cut before they are asked for.
 */
ahead: boolean, 
/**
 * At the end, and where progress was asked for.
 */
metrics?: MetricsMessage, };

export type TableFileMessage = { source: SourceMessage, 
/**
 * Names and values that its folders tell.
 */
partitions: Array<[string, string | null]>, };

export type DialectMessage = { 
/**
 * Found out when unset.
 */
format?: string, 
/**
 * One character.
 */
delimiter?: string, 
/**
 * One character, or none at all.
 */
quote?: string, escape?: string, comment?: string, header?: boolean, skip?: number, names?: Array<string>, 
/**
 * Names and types.
 */
types?: Array<[string, string]>, nullValues?: Array<string>, inferBytes?: number, encoding?: string, compression?: CompressionMessage, };

export type TableMessage = { stat: StatMessage, 
/**
 * How many rows there are, where that is known beforehand.
 */
rows?: number, 
/**
 * How many bytes are read in all, at the most, where that is known beforehand.
 */
total?: number, metrics: MetricsMessage, };

export type ColumnsMessage = { 
/**
 * How many rows it has; unset at the end.
 */
rows?: number, 
/**
 * Length and count of nulls of each array, parents before their children.
 */
nodes: Array<[number, number]>, 
/**
 * Which item each part of the arrays is; -1 for nothing.
 */
regions: Array<number>, 
/**
 * How many regions with the bytes of views each array of views has.
 */
variadic: Array<number>, metrics: MetricsMessage, };

export type TableFormatMessage = "parquet" | "arrow" | "arrowStream" | "csv" | "ndjson" | "json";

export type EncodingMessage = { 
/**
 * The format's own default when unset.
 */
compression?: string, 
/**
 * Of Parquet.
 */
rowGroupRows?: number, 
/**
 * Of CSV: one byte.
 */
delimiter?: number, 
/**
 * Of CSV: whether it begins with the names.
 */
header?: boolean, 
/**
 * Of CSV: what stands for null.
 */
nullValue?: string, 
/**
 * Whether dictionaries are written as the values that they stand for.
 */
plain: boolean, };

export type PresignMethodMessage = "GET" | "HEAD" | "PUT" | "DELETE";

export type ResponseHeadersMessage = { contentType?: string, contentDisposition?: string, contentEncoding?: string, contentLanguage?: string, cacheControl?: string, 
/**
 * Milliseconds since 1970.
 */
expires?: number, };

export type FileToWriteMessage = { key: string, 
/**
 * Below the directory. With a slash at its end: a folder, for which nothing is read.
 */
path: string, size: number, 
/**
 * Milliseconds since 1970.
 */
modified?: number, 
/**
 * Whether a file that is there is replaced.
 */
replace: boolean, };

export type FileToSendMessage = { path: string, key: string, size: number, contentType?: string, };

export type FileToCompareMessage = { path: string, key: string, etag?: string, };

export type TreeKindMessage = "file" | "folder" | "link" | "other";

export type TreeEntryMessage = [string, TreeKindMessage, number, number];

export type ScannedMessage = { 
/**
 * Whether the directory is there.
 */
exists: boolean, 
/**
 * How many files of a killed run were removed.
 */
removed: number, };

export type Request = { "operation": "nothing" } | { "operation": "panic" } | { "operation": "get", client?: number, source: SourceMessage, span: SpanMessage, ifMatch?: string, limit?: LimitMessage, 
/**
 * Maps a file instead of reading it.
 */
map?: boolean, progress: boolean, } | { "operation": "ranges", client?: number, source: SourceMessage, 
/**
 * From a byte to before another.
 */
ranges: Array<[number, number]>, 
/**
 * Neighbours that are no further apart share a request.
 */
gap: number, ifMatch?: string, progress: boolean, } | { "operation": "getMany", client?: number, sources: Array<SourceMessage>, ordered: boolean, progress: boolean, } | { "operation": "downloadFiles", client: number, bucket: string, 
/**
 * The base64 of 32 bytes.
 */
customerKey?: string, directory: string, files: Array<FileToWriteMessage>, progress: boolean, } | { "operation": "uploadFiles", client: number, bucket: string, directory: string, files: Array<FileToSendMessage>, write: WriteMessage, progress: boolean, } | { "operation": "compareFiles", client: number, bucket: string, 
/**
 * The base64 of 32 bytes.
 */
customerKey?: string, directory: string, files: Array<FileToCompareMessage>, } | { "operation": "removeFiles", directory: string, paths: Array<string>, } | { "operation": "scanTree", directory: string, 
/**
 * Removes what a killed run left behind.
 */
clean: boolean, } | { "operation": "openStream", client?: number, source: SourceMessage, span: SpanMessage, ifMatch?: string, progress: boolean, } | { "operation": "readStream", stream: number, } | { "operation": "checksum", client?: number, source: SourceMessage, span: SpanMessage, ifMatch?: string, algorithm: SumMessage, progress: boolean, } | { "operation": "openLines", client: number, feed: FeedMessage, cut: CutMessage, 
/**
 * What the elements are; bytes when unset.
 */
content?: ContentMessage, 
/**
 * Found out when unset.
 */
compression?: CompressionMessage, 
/**
 * Milliseconds; 0 waits for ever.
 */
stallTimeout?: number, progress: boolean, } | { "operation": "readLines", stream: number, } | { "operation": "openBatches", client?: number, source: SourceMessage, 
/**
 * The files, this one first, that are read as one; it stands alone when unset.
 */
files?: Array<TableFileMessage>, 
/**
 * The columns that are wanted, in this order; all of them when unset.
 */
columns?: Array<string>, 
/**
 * A condition on the rows that are wanted; all of them when unset.
 */
filter?: string, 
/**
 * No more rows than this.
 */
limit?: number, 
/**
 * 64-bit integers become 64-bit floating-point numbers.
 */
int64AsFloat64: boolean, 
/**
 * Its format, and how it is written; found out when unset.
 */
dialect?: DialectMessage, progress: boolean, } | { "operation": "nextBatch", stream: number, } | { "operation": "stat", client?: number, source: SourceMessage, } | { "operation": "put", object: ObjectMessage, 
/**
 * A buffer; an empty object when unset.
 */
buffer?: number, write: WriteMessage, progress: boolean, } | { "operation": "openUpload", object: ObjectMessage, write: WriteMessage, 
/**
 * How many bytes will come, where that is known.
 */
size?: number, 
/**
 * The folder where parts lie that are too large for memory, in files without a name. They
 * lie in memory all the same when it is unset, or cannot be written.
 */
scratch?: string, progress: boolean, } | { "operation": "uploadRoom", upload: number, } | { "operation": "finishUpload", upload: number, } | { "operation": "encodeTable", upload: number, format: TableFormatMessage, encoding: EncodingMessage, } | { "operation": "encodeBatch", upload: number, } | { "operation": "encodeEnd", upload: number, } | { "operation": "uploadClosed", upload: number, } | { "operation": "delete", object: ObjectMessage, ifMatch?: string, } | { "operation": "deleteMany", client: number, bucket: string, objects: Array<NameMessage>, } | { "operation": "tags", object: ObjectMessage, } | { "operation": "replaceTags", object: ObjectMessage, tags: { [key in string]: string }, } | { "operation": "copy", object: ObjectMessage, bucket: string, key: string, write: WriteMessage, 
/**
 * Whether the metadata of `write` replace the source's.
 */
replaceMetadata: boolean, 
/**
 * Whether its tags do.
 */
replaceTags: boolean, 
/**
 * Whether the source is deleted when the copy is there.
 */
remove: boolean, progress: boolean, } | { "operation": "presign", object: ObjectMessage, method: PresignMethodMessage, 
/**
 * Seconds.
 */
expiresIn?: number, 
/**
 * What a writer says of the object.
 */
write: WriteMessage, contentLength?: number, response: ResponseHeadersMessage, } | { "operation": "abortUpload", upload: number, } | { "operation": "openFile", client?: number, path: string, 
/**
 * Fails when there is such a file.
 */
exclusive: boolean, progress: boolean, } | { "operation": "uploadFile", object: ObjectMessage, path: string, write: WriteMessage, progress: boolean, } | { "operation": "writeFile", client?: number, path: string, 
/**
 * A buffer; an empty file when unset.
 */
buffer?: number, 
/**
 * Fails when there is such a file.
 */
exclusive: boolean, progress: boolean, } | { "operation": "copyFile", client?: number, from: string, to: string, exclusive: boolean, progress: boolean, } | { "operation": "moveFile", client?: number, from: string, to: string, exclusive: boolean, progress: boolean, } | { "operation": "deleteFile", client?: number, path: string, } | { "operation": "list", client: number, bucket: string, prefix: string, what: ListableMessage, delimiter?: string, owner: boolean, place: PlaceMessage, pageSize?: number, 
/**
 * At most so many pages.
 */
pages: number, } | { "operation": "diagnose", client: number, bucket: string, key: string, } | { "operation": "abortIncomplete", object: ObjectMessage, uploadId: string, } | { "operation": "buckets", client: number, } | { "operation": "createBucket", client: number, bucket: string, versioning?: boolean, } | { "operation": "deleteBucket", client: number, bucket: string, } | { "operation": "bucketRegion", client: number, bucket: string, } | { "operation": "loadTable", client?: number, source: SourceMessage, progress: boolean, } | { "operation": "saveTable", object: ObjectMessage, table: number, write: WriteMessage, progress: boolean, } | { "operation": "saveTableFile", client?: number, table: number, path: string, 
/**
 * Fails when there is such a file.
 */
exclusive: boolean, progress: boolean, } | { "operation": "startLocalS3", directory?: string, port: number, } | { "operation": "stopLocalS3", server: number, };

export type Submission = { granted: Array<string>, 
/**
 * Boxed: some requests are large, and most operations are moved several times.
 */
request: Request, };

export type StatMessage = { size: number, 
/**
 * Milliseconds since 1970.
 */
lastModified?: number, etag?: string, contentType?: string, contentEncoding?: string, contentLanguage?: string, contentDisposition?: string, cacheControl?: string, 
/**
 * Milliseconds since 1970.
 */
expires?: number, versionId?: string, storageClass?: string, metadata: { [key in string]: string }, };

export type MetricsMessage = { bytes: number, parts: number, retries: number, 
/**
 * Milliseconds from the start to the first byte of a body.
 */
timeToFirstByte: number, connectionsOpened: number, requests: number, 
/**
 * US dollars, at the list price of S3 Standard.
 */
estimatedCost: number, 
/**
 * Bytes that were copied in user space on their way.
 */
copies: number, transport: TransportMessage, 
/**
 * The algorithm that the bytes were verified with, or `none`.
 */
verified: string, };

export type ReadMessage = { stat: StatMessage, metrics: MetricsMessage, };

export type WriteMessage = { contentType?: string, contentEncoding?: string, contentLanguage?: string, contentDisposition?: string, cacheControl?: string, 
/**
 * Milliseconds since 1970.
 */
expires?: number, metadata: { [key in string]: string }, tags?: { [key in string]: string }, storageClass?: string, acl?: string, encryption?: EncryptionMessage, ifMatch?: string, ifNoneMatch?: string, checksum?: WriteChecksumMessage, 
/**
 * Bytes.
 */
partSize?: number, };

export type EncryptionMessage = { "kind": "s3" } | { "kind": "kms", keyId?: string, context?: { [key in string]: string }, bucketKey?: boolean, } | { "kind": "customer", key: string, };

export type WriteChecksumMessage = "crc64nvme" | "crc32" | "crc32c" | "sha1" | "sha256" | "none";

export type WrittenMessage = { stat: StatMessage, metrics: MetricsMessage, };

export type ListableMessage = "objects" | "versions" | "uploads";

export type PlaceMessage = { 
/**
 * What the server gave to go on with.
 */
token?: string, 
/**
 * Behind this key.
 */
after?: string, 
/**
 * Behind this version or upload of that key.
 */
afterId?: string, 
/**
 * `after` is a prefix: behind all that it stands for.
 */
afterGroup?: boolean, 
/**
 * What comes before it was seen.
 */
seen?: boolean, };

export type OwnerMessage = { id: string, displayName?: string, };

export type PageMessage = { 
/**
 * Keys, and the prefixes of groups.
 */
names: Array<string>, 
/**
 * Bytes; -1 for a group.
 */
sizes: Array<number>, 
/**
 * Milliseconds since 1970.
 */
times: Array<number>, etags?: Array<string>, 
/**
 * Of versions or uploads.
 */
ids?: Array<string>, 
/**
 * 1: the latest version; 2: a delete marker.
 */
flags?: Array<number>, 
/**
 * Storage classes.
 */
classes?: Array<string>, 
/**
 * Which class a line has, -1 for none; missing where all have the only one.
 */
classOf?: Array<number>, owners?: Array<OwnerMessage>, 
/**
 * As `class_of`.
 */
ownerOf?: Array<number>, 
/**
 * Where the rest starts; absent at the end.
 */
next?: PlaceMessage, };

export type BucketMessage = { name: string, 
/**
 * Milliseconds since 1970.
 */
createdAt?: number, region?: string, };

export type CallerMessage = { account: string, arn: string, userId: string, };

export type VerdictMessage = { request: string, uri: string, milliseconds: number, 
/**
 * A remark on what went well.
 */
note?: string, 
/**
 * Why it failed.
 */
failed?: ErrorDetails, 
/**
 * Why it was not sent.
 */
skipped?: string, };

export type DiagnosisMessage = { place: string, region: string, bucketRegion?: string, configuration?: ErrorDetails, provider?: string, 
/**
 * Milliseconds since 1970.
 */
expiration?: number, credentials?: ErrorDetails, caller?: CallerMessage, callerUnknown?: ErrorDetails, 
/**
 * Milliseconds by which this machine's clock is ahead.
 */
skew?: number, verdicts: Array<VerdictMessage>, remedy?: string, };

export type RegionMessage = { region: string, };

export type NameMessage = { key: string, versionId?: string, };

export type DeletedMessage = { failures: Array<FailureMessage>, };

export type FailureMessage = { 
/**
 * Its place in the request.
 */
index: number, error: ErrorDetails, };

export type LocalS3Message = { endpoint: string, region: string, accessKeyId: string, secretAccessKey: string, };

export type Question = { "kind": "net", host: string, } | { "kind": "collect", bytes: number, } | { "kind": "call", function: number, } | { "kind": "keep", path: string, text: string, };

export type ErrorDetails = { status: number, message: string, operation: string, uri?: string, httpStatus?: number, requestId?: string, retryable: boolean, hint?: string, };
