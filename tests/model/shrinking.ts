/** Makes a sequence that fails shorter, as long as it fails: what is left is worth reading. */

/**
 * Leaves out halves, then quarters, and so on down to single steps.
 *
 * @param fails Whether a sequence fails. Asked at most `tries` times.
 */
export async function shrunk<T>(
  steps: readonly T[],
  fails: (steps: readonly T[]) => Promise<boolean>,
  tries = 300,
): Promise<readonly T[]> {
  let left = steps;
  let size = Math.ceil(left.length / 2);
  while (true) {
    let shorter = false;
    for (let at = 0; at < left.length && tries > 0;) {
      const without = left.toSpliced(at, size);
      tries--;
      if (without.length > 0 && await fails(without)) {
        left = without;
        shorter = true;
      } else {
        at += size;
      }
    }
    if (tries === 0 || (size === 1 && !shorter)) return left;
    if (!shorter || size > 1) size = Math.max(1, Math.ceil(size / 2));
  }
}
