// Rendered from native/capi/src/abi.rs by its test. Do not edit: change the declaration.
// deno-fmt-ignore-file
// deno-lint-ignore-file

export type * from "./messages.ts";

export type QueueHandle = number & { readonly __handle: "QueueHandle" };
export type BufferHandle = number & { readonly __handle: "BufferHandle" };
export type ClientHandle = number & { readonly __handle: "ClientHandle" };
export type ServerHandle = number & { readonly __handle: "ServerHandle" };
export type StreamHandle = number & { readonly __handle: "StreamHandle" };
export type UploadHandle = number & { readonly __handle: "UploadHandle" };
export type TableHandle = number & { readonly __handle: "TableHandle" };
export type OperationHandle = number & { readonly __handle: "OperationHandle" };
export type AskHandle = number & { readonly __handle: "AskHandle" };

/** Changes whenever the boundary does. */
export const ABI_HASH = 3265309413843090;

/** Every exported function, as `Deno.dlopen` wants it. */
export const symbols = {
  dipper_abi_hash: { parameters: [], result: "f64" },
  dipper_last_error: { parameters: ["buffer", "f64"], result: "f64" },
  dipper_memory: { parameters: ["buffer", "f64"], result: "f64" },
  dipper_force_portable: { parameters: ["f64"], result: "f64" },
  dipper_checksum_bytes: { parameters: ["buffer", "f64", "f64", "buffer", "f64"], result: "f64" },
  dipper_scale: { parameters: ["buffer", "f64", "f64", "f64", "f64"], result: "f64" },
  dipper_log: { parameters: ["buffer", "f64", "f64", "f64"], result: "f64" },
  dipper_normalize: { parameters: ["buffer", "f64", "f64", "f64", "f64", "f64"], result: "f64" },
  dipper_buffer_new: { parameters: ["f64", "f64"], result: "f64" },
  dipper_buffer_address: { parameters: ["f64"], result: "f64" },
  dipper_buffer_adopt: { parameters: ["f64"], result: "f64" },
  dipper_buffer_hold: { parameters: ["f64", "f64"], result: "f64" },
  dipper_buffer_release: { parameters: ["f64"], result: "f64" },
  dipper_client_new: { parameters: ["f64", "buffer", "f64"], result: "f64" },
  dipper_client_release: { parameters: ["f64"], result: "f64" },
  dipper_submit: { parameters: ["f64", "buffer", "f64", "buffer", "f64"], result: "f64" },
  dipper_submit_into: { parameters: ["f64", "buffer", "f64", "buffer", "f64"], result: "f64" },
  dipper_stream_release: { parameters: ["f64"], result: "f64" },
  dipper_lines_take: { parameters: ["f64", "f64", "buffer", "f64"], result: "f64" },
  dipper_lines_offsets: { parameters: ["f64", "buffer", "f64"], result: "f64" },
  dipper_upload_write: { parameters: ["f64", "buffer", "f64"], result: "f64" },
  dipper_upload_release: { parameters: ["f64"], result: "f64" },
  dipper_table_new: { parameters: ["f64", "f64"], result: "f64" },
  dipper_table_hold: { parameters: ["f64", "f64"], result: "f64" },
  dipper_table_release: { parameters: ["f64"], result: "f64" },
  dipper_table_share: { parameters: ["f64"], result: "f64" },
  dipper_table_find: { parameters: ["f64", "f64"], result: "f64" },
  dipper_table_count: { parameters: ["f64"], result: "f64" },
  dipper_table_dimension: { parameters: ["f64"], result: "f64" },
  dipper_table_append: { parameters: ["f64", "buffer", "f64"], result: "f64" },
  dipper_table_row: { parameters: ["f64", "f64", "buffer", "f64"], result: "f64" },
  dipper_table_dot: { parameters: ["f64", "f64", "buffer", "f64", "buffer", "f64"], result: "f64" },
  dipper_table_scores: { parameters: ["f64", "buffer", "f64", "buffer", "f64"], result: "f64" },
  dipper_table_nearest: { parameters: ["f64", "f64", "f64", "buffer", "f64", "buffer", "f64", "buffer", "f64"], result: "f64" },
  dipper_end_of_program: { parameters: ["f64"], result: "f64" },
  dipper_stop_watch: { parameters: ["f64", "f64"], result: "f64" },
  dipper_stop_heard: { parameters: ["f64", "f64"], result: "f64" },
  dipper_cancel: { parameters: ["f64"], result: "f64" },
  dipper_drain: { parameters: ["f64", "buffer", "f64"], result: "f64" },
  dipper_next_record: { parameters: ["f64"], result: "f64" },
  dipper_server_stop: { parameters: ["f64"], result: "f64" },
  dipper_answer: { parameters: ["f64", "f64"], result: "f64" },
  dipper_answer_with: { parameters: ["f64", "buffer", "f64"], result: "f64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The boundary, with checked results: an error is thrown, never returned. */
export interface Native {
  /** A number that changes whenever the boundary does. */
  abiHash(): number;
  /** Writes the details of this thread's last error as JSON; returns their length, and writes nothing when the room is too small. */
  lastError(room: Uint8Array<ArrayBuffer>): number;
  /** Writes the process-wide memory report as six doubles. */
  memory(room: Uint8Array<ArrayBuffer>): number;
  /** Makes every kernel of the process take its portable path, or with zero no longer: for tests. */
  forcePortable(on: number): number;
  /** Writes the FNV-1a sum of lent bytes as eight bytes. `shared`: others may write to them meanwhile. */
  checksumBytes(data: Uint8Array<ArrayBuffer>, shared: number, sum: Uint8Array<ArrayBuffer>): number;
  /** Multiplies lent numbers of `width` bytes each. */
  scale(data: Uint8Array<ArrayBuffer>, shared: number, width: number, factor: number): number;
  /** Replaces lent numbers of `width` bytes each by their natural logarithms. */
  log(data: Uint8Array<ArrayBuffer>, shared: number, width: number): number;
  /** Normalises each `dimension` of lent numbers of `width` bytes each, by norm 0 (l2), 1 (minmax) or 2 (zscore). */
  normalize(data: Uint8Array<ArrayBuffer>, shared: number, width: number, norm: number, dimension: number): number;
  /** Reserves a zeroed buffer of so many bytes. */
  bufferNew(queue: QueueHandle, length: number): BufferHandle;
  /** Where a buffer's bytes start. */
  bufferAddress(buffer: BufferHandle): number;
  /** From here on the collector owns the buffer: its bytes leave the budget. */
  bufferAdopt(buffer: BufferHandle): number;
  /** A second handle that keeps the memory alive until it is released; it cannot be mapped. */
  bufferHold(queue: QueueHandle, buffer: BufferHandle): BufferHandle;
  /** Releases a handle that was never mapped. */
  bufferRelease(buffer: BufferHandle): number;
  /** Makes a client from `ClientRequest` JSON. */
  clientNew(queue: QueueHandle, request: Uint8Array<ArrayBuffer>): ClientHandle;
  /** Forgets a client; its operations end as cancelled. */
  clientRelease(client: ClientHandle): number;
  /** Starts the operations that `Submission[]` JSON describes; writes their handles as doubles, in order. */
  submit(queue: QueueHandle, requests: Uint8Array<ArrayBuffer>, handles: Uint8Array<ArrayBuffer>): number;
  /** Starts a read into memory that stays valid and untouched until the completion. */
  submitInto(queue: QueueHandle, request: Uint8Array<ArrayBuffer>, target: Uint8Array<ArrayBuffer>): OperationHandle;
  /** Forgets a stream; what it reads ahead ends. */
  streamRelease(stream: StreamHandle): number;
  /** Takes the next batch of lines if it is there or will be in a moment: writes its buffer or 0, its bytes, its elements and how many bytes the source gave so far, as four doubles; returns whether there was one. The buffer is adopted. */
  linesTake(queue: QueueHandle, stream: StreamHandle, room: Uint8Array<ArrayBuffer>): number;
  /** Writes where each element of the last batch of lines ends, as 32-bit numbers behind a zero; returns how many fit. */
  linesOffsets(stream: StreamHandle, room: Uint8Array<ArrayBuffer>): number;
  /** Copies bytes into an upload, as many as there is room for; returns how many, zero when `uploadRoom` is to be asked. */
  uploadWrite(upload: UploadHandle, bytes: Uint8Array<ArrayBuffer>): number;
  /** Forgets an upload; what is not finished is aborted. */
  uploadRelease(upload: UploadHandle): number;
  /** Makes an empty table of vectors with so many numbers each. */
  tableNew(queue: QueueHandle, dimension: number): TableHandle;
  /** A second handle, which keeps the table until it is released. */
  tableHold(queue: QueueHandle, table: TableHandle): TableHandle;
  /** Releases a handle; a table is gone with its last one. */
  tableRelease(table: TableHandle): number;
  /** A number that finds the table as long as some isolate holds it. */
  tableShare(table: TableHandle): number;
  /** A handle to the table of a token. */
  tableFind(queue: QueueHandle, token: number): TableHandle;
  /** How many vectors a table has. */
  tableCount(table: TableHandle): number;
  /** How many numbers each of them has. */
  tableDimension(table: TableHandle): number;
  /** Adds vectors, `f32` after `f32`, all or none; returns the number of the first. */
  tableAppend(table: TableHandle, rows: Uint8Array<ArrayBuffer>): number;
  /** Copies a vector out. */
  tableRow(table: TableHandle, index: number, place: Uint8Array<ArrayBuffer>): number;
  /** Writes the dot product of a vector and a query, an `f32`. */
  tableDot(table: TableHandle, index: number, query: Uint8Array<ArrayBuffer>, place: Uint8Array<ArrayBuffer>): number;
  /** Writes the dot products of the first vectors with a query, as many `f32` as there is room for. */
  tableScores(table: TableHandle, query: Uint8Array<ArrayBuffer>, scores: Uint8Array<ArrayBuffer>): number;
  /** Writes the numbers and scores of the nearest among the first `rows` vectors to each query, as many for each as there is room for. Metrics: 0 dot, 1 cosine, 2 Euclidean. */
  tableNearest(table: TableHandle, metric: number, rows: number, queries: Uint8Array<ArrayBuffer>, indices: Uint8Array<ArrayBuffer>, scores: Uint8Array<ArrayBuffer>): number;
  /** Ends all that an isolate has under way and waits until nothing is left of its uploads, two seconds at most: for the end of the program. */
  endOfProgram(queue: QueueHandle): number;
  /** Listens to Stop in a notebook and wakes this isolate for each; a zero ends that. */
  stopWatch(queue: QueueHandle, on: number): number;
  /** Tells that the isolate heard every Stop so far, and whether that ended something; returns whether one is left that ended nothing: the next then ends the process. */
  stopHeard(queue: QueueHandle, ended: number): number;
  /** Ends an operation early. Unknown operations have ended already: no error. */
  cancel(operation: OperationHandle): number;
  /** Writes completion records that are ready; returns the bytes written. */
  drain(queue: QueueHandle, room: Uint8Array<ArrayBuffer>): number;
  /** How many bytes the next completion record needs; zero when none is ready. */
  nextRecord(queue: QueueHandle): number;
  /** Stops an embedded server and waits until its directory is gone, two seconds at most: for the end of the program. */
  serverStop(server: ServerHandle): number;
  /** Answers a question: zero refuses, anything else grants. */
  answer(ask: AskHandle, granted: number): number;
  /** Answers a question that asks for a message, with `AnswerMessage` JSON. */
  answerWith(ask: AskHandle, message: Uint8Array<ArrayBuffer>): number;
}

/** Binds the functions of a loaded library. `checked` throws for a negative answer. */
export function bind(
  symbols: Deno.DynamicLibrary<typeof import("./symbols.ts").symbols>["symbols"],
  checked: (answer: number) => number,
): Native {
  return {
    abiHash: () => checked(symbols.dipper_abi_hash()),
    lastError: (room) => checked(symbols.dipper_last_error(room, room.byteLength)),
    memory: (room) => checked(symbols.dipper_memory(room, room.byteLength)),
    forcePortable: (on) => checked(symbols.dipper_force_portable(on)),
    checksumBytes: (data, shared, sum) => checked(symbols.dipper_checksum_bytes(data, data.byteLength, shared, sum, sum.byteLength)),
    scale: (data, shared, width, factor) => checked(symbols.dipper_scale(data, data.byteLength, shared, width, factor)),
    log: (data, shared, width) => checked(symbols.dipper_log(data, data.byteLength, shared, width)),
    normalize: (data, shared, width, norm, dimension) => checked(symbols.dipper_normalize(data, data.byteLength, shared, width, norm, dimension)),
    bufferNew: (queue, length) => checked(symbols.dipper_buffer_new(queue, length)) as BufferHandle,
    bufferAddress: (buffer) => checked(symbols.dipper_buffer_address(buffer)),
    bufferAdopt: (buffer) => checked(symbols.dipper_buffer_adopt(buffer)),
    bufferHold: (queue, buffer) => checked(symbols.dipper_buffer_hold(queue, buffer)) as BufferHandle,
    bufferRelease: (buffer) => checked(symbols.dipper_buffer_release(buffer)),
    clientNew: (queue, request) => checked(symbols.dipper_client_new(queue, request, request.byteLength)) as ClientHandle,
    clientRelease: (client) => checked(symbols.dipper_client_release(client)),
    submit: (queue, requests, handles) => checked(symbols.dipper_submit(queue, requests, requests.byteLength, handles, handles.byteLength)),
    submitInto: (queue, request, target) => checked(symbols.dipper_submit_into(queue, request, request.byteLength, target, target.byteLength)) as OperationHandle,
    streamRelease: (stream) => checked(symbols.dipper_stream_release(stream)),
    linesTake: (queue, stream, room) => checked(symbols.dipper_lines_take(queue, stream, room, room.byteLength)),
    linesOffsets: (stream, room) => checked(symbols.dipper_lines_offsets(stream, room, room.byteLength)),
    uploadWrite: (upload, bytes) => checked(symbols.dipper_upload_write(upload, bytes, bytes.byteLength)),
    uploadRelease: (upload) => checked(symbols.dipper_upload_release(upload)),
    tableNew: (queue, dimension) => checked(symbols.dipper_table_new(queue, dimension)) as TableHandle,
    tableHold: (queue, table) => checked(symbols.dipper_table_hold(queue, table)) as TableHandle,
    tableRelease: (table) => checked(symbols.dipper_table_release(table)),
    tableShare: (table) => checked(symbols.dipper_table_share(table)),
    tableFind: (queue, token) => checked(symbols.dipper_table_find(queue, token)) as TableHandle,
    tableCount: (table) => checked(symbols.dipper_table_count(table)),
    tableDimension: (table) => checked(symbols.dipper_table_dimension(table)),
    tableAppend: (table, rows) => checked(symbols.dipper_table_append(table, rows, rows.byteLength)),
    tableRow: (table, index, place) => checked(symbols.dipper_table_row(table, index, place, place.byteLength)),
    tableDot: (table, index, query, place) => checked(symbols.dipper_table_dot(table, index, query, query.byteLength, place, place.byteLength)),
    tableScores: (table, query, scores) => checked(symbols.dipper_table_scores(table, query, query.byteLength, scores, scores.byteLength)),
    tableNearest: (table, metric, rows, queries, indices, scores) => checked(symbols.dipper_table_nearest(table, metric, rows, queries, queries.byteLength, indices, indices.byteLength, scores, scores.byteLength)),
    endOfProgram: (queue) => checked(symbols.dipper_end_of_program(queue)),
    stopWatch: (queue, on) => checked(symbols.dipper_stop_watch(queue, on)),
    stopHeard: (queue, ended) => checked(symbols.dipper_stop_heard(queue, ended)),
    cancel: (operation) => checked(symbols.dipper_cancel(operation)),
    drain: (queue, room) => checked(symbols.dipper_drain(queue, room, room.byteLength)),
    nextRecord: (queue) => checked(symbols.dipper_next_record(queue)),
    serverStop: (server) => checked(symbols.dipper_server_stop(server)),
    answer: (ask, granted) => checked(symbols.dipper_answer(ask, granted)),
    answerWith: (ask, message) => checked(symbols.dipper_answer_with(ask, message, message.byteLength)),
  };
}

/** The fixed part of a completion record: its size and offsets in bytes. */
export const RECORD = { size: 40, operation: 0, value: 8, extent: 16, kind: 24, status: 28, payload: 32, index: 36 } as const;

/** What a record tells. */
export const KIND = { Done: 1, Failed: 2, Cancelled: 3, Progress: 4, Ask: 5, Item: 6, Log: 7, Stop: 8 } as const;

/** Every status: its code, its class and whether trying again may help. */
export const STATUS = {
  /** The bucket holds no object under this key. */
  1: { code: "NoSuchKey", className: "NotFoundError", retryable: false },
  /** The bucket does not exist. */
  2: { code: "NoSuchBucket", className: "NotFoundError", retryable: false },
  /** The server says "not found" and no more. */
  3: { code: "NotFound", className: "NotFoundError", retryable: false },
  /** The server refuses these credentials this operation. */
  10: { code: "AccessDenied", className: "AccessDeniedError", retryable: false },
  /** The server does not know the access key. */
  11: { code: "InvalidAccessKey", className: "AccessDeniedError", retryable: false },
  /** The signature is wrong: most often the secret key. */
  12: { code: "WrongSignature", className: "AccessDeniedError", retryable: false },
  /** The session token or the signature is too old, or this clock is wrong. */
  13: { code: "Expired", className: "AccessDeniedError", retryable: false },
  /** The caller gave something that cannot be meant. */
  20: { code: "InvalidInput", className: "InvalidInputError", retryable: false },
  /** The server calls the request malformed. */
  21: { code: "InvalidRequest", className: "InvalidInputError", retryable: false },
  /** The asked range lies outside the object. */
  22: { code: "InvalidRange", className: "InvalidInputError", retryable: false },
  /** The bucket name breaks S3's rules or is taken. */
  23: { code: "BucketUnavailable", className: "InvalidInputError", retryable: false },
  /** The bucket still holds objects. */
  24: { code: "BucketNotEmpty", className: "InvalidInputError", retryable: false },
  /** A buffer was used after it was disposed, adopted or transferred. */
  25: { code: "BufferGone", className: "InvalidInputError", retryable: false },
  /** A client was used after it was disposed. */
  26: { code: "ClientGone", className: "InvalidInputError", retryable: false },
  /** A file cannot be read or written. */
  27: { code: "FileFailed", className: "InvalidInputError", retryable: false },
  /** A line or a message is longer than allowed. */
  28: { code: "TooLong", className: "InvalidInputError", retryable: false },
  /** The bytes are not text of that encoding. */
  29: { code: "InvalidText", className: "InvalidInputError", retryable: false },
  /** A condition such as `ifMatch` does not hold. */
  30: { code: "PreconditionFailed", className: "PreconditionFailedError", retryable: false },
  /** The object changed while it was read. */
  31: { code: "ObjectChanged", className: "PreconditionFailedError", retryable: true },
  /** The bytes are not those that were stored. */
  40: { code: "ChecksumMismatch", className: "IntegrityError", retryable: true },
  /** Compressed data or messages are damaged or cut short. */
  41: { code: "DamagedData", className: "IntegrityError", retryable: false },
  /** Nobody answered in time. */
  50: { code: "Timeout", className: "TimeoutError", retryable: true },
  /** The connection stopped delivering. */
  51: { code: "Stalled", className: "TimeoutError", retryable: true },
  /** The host cannot be reached. */
  60: { code: "ConnectionFailed", className: "NetworkError", retryable: true },
  /** The connection broke in the middle of an answer. */
  61: { code: "ConnectionBroken", className: "NetworkError", retryable: true },
  /** The host name does not resolve. */
  62: { code: "UnknownHost", className: "NetworkError", retryable: true },
  /** The answer is not that of an S3 server. */
  63: { code: "NotS3", className: "NetworkError", retryable: false },
  /** The server reports a failure of its own. */
  64: { code: "ServerFailure", className: "NetworkError", retryable: true },
  /** The server asks to slow down. */
  65: { code: "SlowDown", className: "NetworkError", retryable: true },
  /** The bucket lives in another region. */
  66: { code: "WrongRegion", className: "NetworkError", retryable: false },
  /** The TLS handshake failed. */
  67: { code: "TlsFailed", className: "NetworkError", retryable: false },
  /** The bytes do not fit the memory that may be held. */
  70: { code: "BudgetExceeded", className: "BudgetExceededError", retryable: false },
  /** The system has no memory left. */
  71: { code: "OutOfMemory", className: "BudgetExceededError", retryable: true },
  /** Deno's permissions do not allow it. */
  80: { code: "PermissionDenied", className: "PermissionError", retryable: false },
  /** No credentials were found. */
  90: { code: "NoCredentials", className: "CredentialsError", retryable: false },
  /** A credentials provider failed. */
  91: { code: "CredentialsFailed", className: "CredentialsError", retryable: false },
  /** dipper or the server does not do that. */
  100: { code: "Unsupported", className: "UnsupportedError", retryable: false },
  /** The native library was not found, or is not the one that belongs to this module. */
  101: { code: "LibraryNotLoaded", className: "UnsupportedError", retryable: false },
  /** V8 lacks a feature; the message names the flag. */
  102: { code: "FeatureDisabled", className: "UnsupportedError", retryable: false },
  /** A defect of dipper. */
  110: { code: "Internal", className: "InternalError", retryable: false },
  /** A handle that was released, or never given out. */
  111: { code: "StaleHandle", className: "InternalError", retryable: false },
  /** The operation was cancelled. */
  120: { code: "Cancelled", className: "InternalError", retryable: false },
  /** Stop ended the call: the notebook's user interrupted the cell. */
  121: { code: "Stopped", className: "InternalError", retryable: false },
  /** Some of many transfers failed; the report tells which and why. */
  130: { code: "TransferFailed", className: "TransferError", retryable: false },
} as const;
