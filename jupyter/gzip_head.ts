// The beginning of what a gzip stream holds, so that `data.csv.gz` shows its rows. Only a few KiB are
// unpacked, and never more than the room below: a bomb is told from its head, too.

/** So much of the stream is read. */
const READ = 8 * 1024;
/** What unpacks to more than this is not shown. */
const ROOM = 1024 * 1024;

interface Zlib {
  readonly constants: { readonly Z_SYNC_FLUSH: number };
  gunzipSync(
    data: Uint8Array,
    options: { finishFlush: number; maxOutputLength: number },
  ): Uint8Array;
}

/** Node's zlib, loaded when the first gzip stream is shown: importing it would cost everybody. */
function zlib(): Zlib | undefined {
  const { process } = globalThis as unknown as {
    process?: { getBuiltinModule?(name: string): unknown };
  };
  return process?.getBuiltinModule?.("node:zlib") as Zlib | undefined;
}

/**
 * Unpacks the beginning of a gzip stream.
 *
 * @returns `undefined` where that is damaged, or would be too much.
 *
 * @example
 * ```ts
 * gunzipHead(new Uint8Array([0x1f, 0x8b])); // undefined
 * ```
 */
export function gunzipHead(head: Uint8Array): Uint8Array | undefined {
  try {
    const module = zlib();
    const finishFlush = module?.constants.Z_SYNC_FLUSH ?? 0;
    const unpacked = module?.gunzipSync(head.subarray(0, READ), {
      finishFlush,
      maxOutputLength: ROOM,
    });
    return unpacked?.length ? new Uint8Array(unpacked) : undefined;
  } catch {
    return undefined;
  }
}
