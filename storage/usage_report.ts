// What is stored below a prefix, as a report tells it.

/** So many objects, and the bytes they hold. */
export interface UsageCount {
  /** How many objects. */
  readonly objects: number;
  /** Their bytes. */
  readonly bytes: number;
}

/** What a folder holds, with all that is below it. */
export interface FolderUsage extends UsageCount {
  /** The URI that lists the folder; unset for all folders that are not told apart. */
  readonly uri?: string;
}

/** What objects of one extension hold. */
export interface ExtensionUsage extends UsageCount {
  /**
   * In small letters, such as `"parquet"` or `"csv.gz"`; `""` for none; unset for all extensions that
   * are not told apart.
   */
  readonly extension?: string;
}

/** What objects of one storage class hold. */
export interface StorageClassUsage extends UsageCount {
  /** Such as `"STANDARD"`; `""` where the server does not tell. */
  readonly storageClass: string;
}

/** What objects of one age hold. */
export interface AgeUsage extends UsageCount {
  /** Written at least so many days ago. */
  readonly fromDays: number;
  /** Written less than so many days ago; unset for the oldest. */
  readonly toDays?: number;
}

/** What is stored below a prefix. */
export interface UsageReport extends UsageCount {
  /** What was counted. */
  readonly uri: string;
  /** Whether all of it was counted; false while it runs, and when it was stopped or failed. */
  readonly complete: boolean;
  /** By folder, the largest first. */
  readonly folders: readonly FolderUsage[];
  /** By extension, the largest first. */
  readonly extensions: readonly ExtensionUsage[];
  /** By storage class, the largest first. */
  readonly storageClasses: readonly StorageClassUsage[];
  /** By age, the youngest first. */
  readonly ages: readonly AgeUsage[];
  /** How many pages were listed. */
  readonly pages: number;
  /** How long it took, in milliseconds. */
  readonly milliseconds: number;
}
