/** The servers that spoil connections: they are there when they say so, and leave nothing behind. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { startFaults } from "../../tools/test_servers/faults.ts";
import { startToxiproxy } from "../../tools/test_servers/toxiproxy.ts";

// The runner makes them for a folder that names these, so here they are only started.
const faults = Deno.env.get("DIPPER_TEST_FAULTS_CONTROL");
const toxiproxy = Deno.env.get("DIPPER_TEST_TOXIPROXY_API");

describe({
  name: "tools/test_servers/faults.ts",
  ignore: faults === undefined,
  fn: () => {
    it("starts a server that answers, and ends it", async () => {
      const server = await startFaults();
      const { DIPPER_TEST_FAULTS_ENDPOINT: endpoint } = server.environment;
      const response = await fetch(`${endpoint}/no-such-bucket/key`);
      assertStringIncludes(await response.text(), "<Code>NoSuchBucket</Code>");
      assertEquals(response.status, 404);
      await server[Symbol.asyncDispose]();
      await assertRejects(() => fetch(`${endpoint}/`), TypeError);
    });
  },
});

describe({
  name: "tools/test_servers/toxiproxy.ts",
  ignore: toxiproxy === undefined,
  fn: () => {
    it("starts a proxy that proxies nothing yet, and ends it", async () => {
      const server = await startToxiproxy();
      const { DIPPER_TEST_TOXIPROXY_API: api } = server.environment;
      assertEquals(await (await fetch(`${api}/proxies`)).json(), {});
      await server[Symbol.asyncDispose]();
      await assertRejects(() => fetch(`${api}/proxies`), TypeError);
    });
  },
});
