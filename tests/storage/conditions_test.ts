// Reads and writes under a condition, on both servers.

import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { it } from "@std/testing/bdd";
import { DipperError, NotFoundError, PreconditionFailedError } from "dipper";
import { everyWay } from "./servers.ts";

const OTHER_ETAG = '"00000000000000000000000000000000"';

everyWay("conditions", (at) => {
  it("let a read pass that names the present version", async () => {
    const { client, uri } = at();
    const file = client.file(uri("read"));
    const { etag } = await file.write("one");
    assertEquals(await file.text({ ifMatch: etag! }), "one");
    assertEquals((await file.into(new Uint8Array(3), { ifMatch: etag! })).length, 3);
  });

  it("stop a read of another version, and say what to do", async () => {
    const { client, uri } = at();
    const file = client.file(uri("changed"));
    const { etag: old } = await file.write("one");
    const { etag } = await file.write("two");
    assertNotEquals(old, etag);
    for (const call of [() => file.bytes({ ifMatch: old! }), () => file.text({ ifMatch: old! })]) {
      const error = await assertRejects(call, PreconditionFailedError, file.uri);
      assertEquals([error.code, error.status, error.retryable], ["PreconditionFailed", 412, false]);
      assertStringIncludes(error.message, "stat() tells the object's present etag");
    }
  });

  it("write only over the version that is named", async () => {
    const { client, uri } = at();
    const file = client.file(uri("compare-and-swap"));
    const { etag: first } = await file.write("one");
    const { etag: second } = await file.write("two", { ifMatch: first! });
    await assertRejects(() => file.write("lost", { ifMatch: first! }), PreconditionFailedError);
    assertEquals(await file.text(), "two");
    assertEquals((await file.stat()).etag, second);
  });

  it("write only where nothing is", async () => {
    const { client, uri } = at();
    const file = client.file(uri("create-once"));
    await file.write("first", { ifNoneMatch: "*" });
    const again = () => file.write("second", { ifNoneMatch: "*" });
    const error = await assertRejects(again, PreconditionFailedError, file.uri);
    assertEquals([error.code, error.operation], ["PreconditionFailed", "write"]);
    assertEquals(await file.text(), "first");
    await file.delete();
    await file.write("third", { ifNoneMatch: "*" });
    assertEquals(await file.text(), "third");
  });

  it("never overwrite what is missing", async () => {
    const { client, uri } = at();
    const file = client.file(uri("missing"));
    const error = await assertRejects(() => file.write("x", { ifMatch: OTHER_ETAG }), DipperError);
    assert(
      error instanceof NotFoundError || error instanceof PreconditionFailedError,
      `${error.name} ${error.code}`,
    );
    assertEquals(await file.exists(), false);
  });

  it("let one of many writers win", async () => {
    const { client, uri, server } = at();
    const file = client.file(uri("race"));
    const writers = Array.from({ length: 12 }, (_, index) => `writer ${index}`);
    const ends = await Promise.allSettled(
      writers.map((text) => file.write(text, { ifNoneMatch: "*" })),
    );
    const won = writers.filter((_, index) => ends[index]?.status === "fulfilled");
    for (const end of ends) {
      if (end.status === "rejected") assert(end.reason instanceof PreconditionFailedError);
    }
    // versitygw checks before it writes, without a lock: several may win.
    if (server === "LocalS3") assertEquals(won.length, 1);
    assert(won.includes(await file.text()));
  });
});
