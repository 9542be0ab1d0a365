/** Whether a test may have a file system of its own: a small one, and one that is read-only. */

/** What the tests do, tried: containers differ in which part of it they allow. */
const TRIAL = 'mount -t tmpfs -o size=1m none "$0" && mount -o remount,ro "$0"';

function tried(): boolean {
  if (Deno.build.os !== "linux") return false;
  const folder = Deno.makeTempDirSync({ prefix: "dipper-mount-" });
  try {
    const args = ["-r", "-m", "sh", "-c", TRIAL, folder];
    return new Deno.Command("unshare", { args, stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  } finally {
    Deno.removeSync(folder);
  }
}

/** Whether `unshare -r -m` gives a program mounts of its own. */
export const mayMount: boolean = tried();
