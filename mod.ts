/**
 * dipper fetches S3 data into memory that Rust owns and JavaScript uses without a copy.
 *
 * Importing has no side effect: the native library is loaded at the first call that needs it.
 *
 * @example
 * ```ts
 * await using s3 = await LocalS3.start();
 * const client = s3.client();
 * await client.createBucket("bucket");
 * await client.file("s3://bucket/test").write(new Uint8Array([1, 2, 3, 4]));
 * const bytes = await client.file("s3://bucket/test").bytes();
 * console.log(bytes); // Uint8Array(4) [ 1, 2, 3, 4 ]
 * ```
 *
 * @module
 */

export { checksumBytes } from "./bridges/checksum.ts";
export { contiguous, type ContiguousArray } from "./bridges/contiguous.ts";
export { logInplace } from "./bridges/log.ts";
export type { NdArrayLike, TypedArray } from "./bridges/nd_array.ts";
export { normalizeInplace, type NormalizeOptions } from "./bridges/normalize.ts";
export type {
  ColumnPlotOptions,
  HistogramOptions,
  PlotColumn,
  PlotSpec,
} from "./bridges/plot_options.ts";
export { Figure, plot, type Plotting } from "./bridges/plot.ts";
export { scaleBuffer, scaleInplace } from "./bridges/scale.ts";
export {
  EmbeddingTable,
  type Matrix,
  type Metric,
  type Nearest,
  type TopKOptions,
  type VectorColumn,
} from "./bridges/embedding_table.ts";
export type {
  AssumeRole,
  Credentials,
  CredentialsFunction,
  CredentialsOption,
  TemporaryCredentials,
} from "./client/credentials.ts";
export type { ByteBatch } from "./bridges/byte_batch.ts";
export type { ElementOptions, FramesOptions, LinesOptions } from "./bridges/line_options.ts";
export type { LineOf } from "./bridges/lines.ts";
export type { LogFunction, Logger, LogLevel, LogRecord } from "./client/logger.ts";
export type { ClientLike, Named, PlaceOptions } from "./client/places.ts";
export type { S3ClientOptions } from "./client/options.ts";
export {
  AccessDeniedError,
  BudgetExceededError,
  CredentialsError,
  DipperError,
  type ErrorCode,
  type ErrorFacts,
  IntegrityError,
  InternalError,
  InvalidInputError,
  NetworkError,
  NotFoundError,
  PermissionError,
  PreconditionFailedError,
  TimeoutError,
  TransferError,
  UnsupportedError,
} from "./ffi/errors.ts";
export type { BufferLike } from "./ffi/lent.ts";
export { memory, type MemoryReport } from "./ffi/memory.ts";
export { type Metrics, metricsOf } from "./ffi/metrics.ts";
export type { Progress } from "./ffi/queue.ts";
export type { TransferFailure, TransferReport, TransferStep } from "./ffi/transfer_report.ts";
export { RustBuffer } from "./ffi/rust_buffer.ts";
export type { MediaBundle } from "./jupyter/media_bundle.ts";
export type { Markish, PlotLibrary, PlotOptions } from "./jupyter/plot_library.ts";
export type { Writable } from "./storage/body.ts";
export type { ChecksumAlgorithm } from "./storage/checksum.ts";
export type { Bucket, CreateBucketOptions } from "./storage/bucket.ts";
export type { AsyncBuffer } from "./storage/async_buffer.ts";
export {
  abortIncompleteUploads,
  abortUpload,
  asyncBuffer,
  batches,
  configure,
  deleteMany,
  diagnose,
  download,
  file,
  frames,
  get,
  getMany,
  incompleteUploads,
  lines,
  list,
  sync,
  table,
  type ThroughClient,
  upload,
  usage,
  writeTable,
  zarrStore,
} from "./storage/default_client.ts";
export { type Caller, Diagnosis, type Verdict } from "./storage/diagnosis.ts";
export type { Entry, ObjectEntry, Owner, PrefixEntry, UploadEntry } from "./storage/entry.ts";
export type { Fetched, GetManyOptions } from "./storage/get_many.ts";
export { help, HelpPage } from "./storage/help.ts";
export { HttpFile } from "./storage/http_file.ts";
export type { AbortUploadsOptions, UploadsOptions } from "./storage/incomplete_uploads.ts";
export type { ListOptions } from "./storage/list_options.ts";
export { Listing } from "./storage/listing.ts";
export { LocalFile } from "./storage/local_file.ts";
export { LocalS3, type LocalS3Options } from "./storage/local_s3.ts";
export { ObjectFile } from "./storage/object_file.ts";
export type { PresignedWrite, PresignOptions } from "./storage/presign.ts";
export type { CallOptions, FileOptions, ReadOptions, Source } from "./storage/read_options.ts";
export { S3Client, type SyncOptions } from "./storage/s3_client.ts";
export { S3File } from "./storage/s3_file.ts";
export type { ObjectLocation } from "./storage/source.ts";
export type { Stat } from "./storage/stat.ts";
export type { Encryption, LocalWriteOptions, WriteOptions } from "./storage/write_options.ts";
export type { ManyFilesOptions, TableSources } from "./storage/table_files.ts";
export type { TransferOptions } from "./storage/transfer_tally.ts";
export type { TransferProgress } from "./storage/transfer_told.ts";
export { UsageCounting, type UsageOptions } from "./storage/usage.ts";
export type {
  AgeUsage,
  ExtensionUsage,
  FolderUsage,
  StorageClassUsage,
  UsageCount,
  UsageReport,
} from "./storage/usage_report.ts";
export type { ZarrStore } from "./storage/zarr_store.ts";
export type { WriteTableOptions } from "./storage/write_table.ts";
export type { TableEncoding, TableFileFormat } from "./table/write_options.ts";
export type { PlainColumn, TableLike, WritableTable } from "./table/written_tables.ts";
export type { TreePlace } from "./storage/sync.ts";
export type { PrefixLike } from "./storage/tree_place.ts";
export type { Compare, TreeOptions, UploadTreeOptions } from "./storage/tree_options.ts";
export type { ArrowData, ArrowField, ArrowTable, ArrowType } from "./table/apache_arrow.ts";
export type { Column, DataType, ExtractionOptions, Table } from "./table/flechette.ts";
export type { ArrayOptions, Dtype, ElementArrays, FileArray } from "./table/file_array.ts";
export type { Dialect, TableFormat } from "./table/dialect.ts";
export type { TableOptions } from "./table/table_options.ts";
