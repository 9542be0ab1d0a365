/**
 * Names the machine that the numbers are from.
 *
 * @module
 */

/** One line: system, processor, cores, memory, load. */
export async function machine(): Promise<string> {
  const model = /model name\s*:\s*(.*)/.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ??
    Deno.build.arch;
  const memory = (Deno.systemMemoryInfo().total / 2 ** 30).toFixed(0);
  return `${Deno.build.os} ${Deno.osRelease()}, ${navigator.hardwareConcurrency} cores (${model}), ` +
    `${memory} GiB of memory, load ${Deno.loadavg()[0]?.toFixed(1)} at the start`;
}
