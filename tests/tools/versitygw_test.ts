/** The S3 server that is not ours: it refuses what is not signed, and leaves nothing behind. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { startVersitygw } from "../../tools/test_servers/versitygw.ts";

const endpoint = Deno.env.get("DIPPER_TEST_VERSITYGW_ENDPOINT");

describe({
  name: "tools/test_servers/versitygw.ts",
  ignore: endpoint === undefined,
  fn: () => {
    it("refuses a request without a signature", async () => {
      const response = await fetch(`${endpoint}/`);
      assertStringIncludes(await response.text(), "<Code>AccessDenied</Code>");
      assertEquals(response.status, 403);
    });

    it("leaves no server and no folder behind", async () => {
      const folders = (): string[] =>
        Array.from(Deno.readDirSync(Deno.env.get("TMPDIR") ?? "/tmp"), ({ name }) => name)
          .filter((name) => name.startsWith("dipper-versitygw-")).sort();
      const before = folders();
      const server = await startVersitygw();
      const url = server.environment["DIPPER_TEST_VERSITYGW_ENDPOINT"]!;
      await (await fetch(url)).text();
      // One for the objects, one for their versions.
      assertEquals(folders().length, before.length + 2);
      await server[Symbol.asyncDispose]();
      await assertRejects(() => fetch(url), TypeError);
      assertEquals(folders(), before);
    });
  },
});
