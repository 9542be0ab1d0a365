// kill -9 in the middle of an upload in parts, then the same again: no half object is ever there, the
// second run makes a whole one, and what the killed one left is listed and can be removed.

import { assert, assertEquals } from "@std/assert";
import { it } from "@std/testing/bdd";
import { memory } from "dipper";
import { settled } from "../memory/settled.ts";
import { onBothServers, type Place } from "../storage/servers.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const MEBIBYTES = 24;
const PATIENCE = 120_000;

onBothServers("an upload that is killed", (at) => {
  it("leaves no object, can be made again, and what it left is listed and removed", async () => {
    await settled("an earlier test left nothing");
    const { client, uri } = at();
    const object = client.file(uri("killed"));
    const listed = () => client.incompleteUploads(uri("killed")).toArray();

    const child = streamer(at(), 150);
    const deadline = performance.now() + PATIENCE;
    while ((await listed()).length === 0) {
      if (performance.now() > deadline) {
        try {
          child.kill("SIGKILL");
        } catch {
          // It ended.
        }
        throw new Error(
          `no upload began: ${new TextDecoder().decode((await child.output()).stderr)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // Some parts are there.
    await new Promise((resolve) => setTimeout(resolve, 600));
    child.kill("SIGKILL");
    const { signal } = await child.output();
    assertEquals(signal, "SIGKILL", "it was killed before it ended");
    assertEquals(await object.exists(), false);
    assertEquals((await listed()).length, 1);

    const { code, stderr } = await streamer(at(), 0).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const bytes = await object.bytes();
    assertEquals(bytes.length, MEBIBYTES * 1024 * 1024);
    for (let mebibyte = 0; mebibyte < MEBIBYTES; mebibyte++) {
      const part = bytes.subarray(mebibyte * 1024 * 1024, (mebibyte + 1) * 1024 * 1024);
      assert(part.every((byte) => byte === mebibyte), `MiB ${mebibyte} is another`);
    }
    // The second run cannot know whether the first one still lives, so it is asked for.
    assertEquals((await listed()).length, 1);
    const { deleted, failures } = await client.abortIncompleteUploads(uri("killed"));
    assertEquals([deleted, failures], [1, []]);
    assertEquals(await listed(), []);
    await object.delete();
  });
});

/** Starts a program that writes the object. */
function streamer({ uri, signedFor }: Place, pause: number): Deno.ChildProcess {
  const program = new URL("./programs/streamer.ts", import.meta.url);
  const { endpoint, region, credentials } = signedFor;
  const server = { endpoint, region, credentials };
  const task = { server, uri: uri("killed"), mebibytes: MEBIBYTES, pause };
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-lock", program.href, JSON.stringify(task)],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}
