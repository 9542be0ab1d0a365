/**
 * Ctrl-C and SIGTERM amid an upload: the program ends by the signal, as it always does, and nothing of
 * the upload stays at the server. A program that listens itself is left alone.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { LocalS3, memory } from "dipper";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = join(
  fileURLToPath(new URL(".", import.meta.url)),
  "programs",
  "endless_upload.ts",
);

// Loads the library: inside a test that would count as a leak.
memory();

interface Ended {
  signal: Deno.Signal | null;
  /** What it printed. */
  text: string;
  /** Uploads at the server amid it, and afterwards. */
  amid: number;
  after: number;
}

async function endedBy(signals: Deno.Signal[], ...args: string[]): Promise<Ended> {
  await using s3 = await LocalS3.start();
  using client = s3.client();
  await client.createBucket("bucket");
  const uploads = async () => (await client.incompleteUploads("s3://bucket/").toArray()).length;
  const { endpoint, region, credentials: { accessKeyId, secretAccessKey } } = s3;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-check", "--no-lock", PROGRAM],
      ...[endpoint, region, accessKeyId, secretAccessKey, ...args],
    ],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let text = "";
  let amid = 0;
  const left = [...signals];
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (amid === 0) amid = await uploads();
    const next = left.shift();
    if (next !== undefined) child.kill(next);
  }
  const { signal } = await child.status;
  let after = await uploads();
  // The server may still be at what it was asked for last.
  for (let turn = 0; turn < 50 && after > 0 && signals.length === 1; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    after = await uploads();
  }
  return { signal, text, amid, after };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `${signal} amid an upload aborts it, and ends the program`,
    ignore: Deno.build.os === "windows",
    async fn() {
      const ended = await endedBy([signal]);
      assertStringIncludes(ended.text, "begun");
      assertEquals([ended.signal, ended.amid, ended.after], [signal, 1, 0]);
    },
  });
}

Deno.test({
  name: "a program that listens to SIGINT goes on uploading",
  ignore: Deno.build.os === "windows",
  async fn() {
    // It hears SIGINT, and then SIGTERM ends it as Deno does: what it had sent stays.
    const ended = await endedBy(["SIGINT", "SIGTERM"], "listens");
    assertStringIncludes(ended.text, "heard");
    assertEquals([ended.signal, ended.amid, ended.after], ["SIGTERM", 1, 1]);
  },
});
