// What a caller tells about the format of a file, and how that crosses.

/** The formats that are read as tables. */
export type TableFormat =
  | "parquet"
  | "arrow"
  | "csv"
  | "tsv"
  | "ndjson"
  | "json"
  | "npy"
  | "npz";

/** How a file is written. What is not told is found out by its name and its content. */
export interface Dialect {
  /** Its format. Default: what its name or its content tells. */
  format?: TableFormat;
  /** CSV: what stands between two fields. Default: a comma, in TSV a tab. */
  delimiter?: string;
  /** CSV: what stands around a field with delimiters or line ends in it; `""` for nothing. Default: `"`. */
  quote?: string;
  /** CSV: what stands before a quote within quotes. Default: the quote itself. */
  escape?: string;
  /** CSV: lines that begin with this character are left out. Default: none are. */
  comment?: string;
  /** CSV: whether the first line has the names of the columns. Default: true. */
  header?: boolean;
  /** CSV: so many lines at the start are left out. Default: 0. */
  skipLines?: number;
  /** CSV: the names of the columns, in place of those of the file. */
  columnNames?: readonly string[];
  /** CSV and JSON: the types of columns, by name: `"int64"`, `"float64"`, `"bool"`, `"string"`,
   * `"date"`, `"timestamp"`, ... Columns that are not named have the type of their values. */
  types?: Readonly<Record<string, string>>;
  /**
   * CSV: fields that stand for null, beside that of nothing. One of two quotes is an empty text,
   * unless `""` is among them. Default: none.
   */
  nullValues?: readonly string[];
  /** CSV and JSON: how many bytes at the start are looked at for the types of columns. A value
   * behind them that does not fit is an error that names it. Default: 8 MiB. */
  inferBytes?: number;
  /** Text: its encoding. Default: UTF-8. */
  encoding?: string;
  /** Text: how it is compressed. Default: found out. */
  compression?: "auto" | "none" | "gzip" | "deflate" | "zstd" | "bzip2" | "xz";
}

/** Their names. */
export const DIALECT_OPTIONS: readonly (keyof Dialect)[] = [
  "format",
  "delimiter",
  "quote",
  "escape",
  "comment",
  "header",
  "skipLines",
  "columnNames",
  "types",
  "nullValues",
  "inferBytes",
  "encoding",
  "compression",
];
