// Targets of into() that cannot be filled: an error that says what to pass, and the memory as it was.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { it } from "@std/testing/bdd";
import { InvalidInputError } from "dipper";
import { FFI, runWell } from "../permissions/child.ts";
import { assertSameBytes, pattern } from "./bytes.ts";
import { everyWay } from "./servers.ts";

everyWay("a target", (at) => {
  it("that is too short is refused with both sizes, and handed back as it was", async () => {
    const { client, uri } = at();
    const file = client.file(uri("long"));
    await file.write(pattern(1000));
    for (const length of [999, 1, 0]) {
      const target = new Uint8Array(length).fill(9);
      const error = await assertRejects(() => file.into(target), InvalidInputError);
      assertEquals([error.code, error.uri], ["InvalidInput", file.uri]);
      assertStringIncludes(error.message, `${length} bytes`);
      assertStringIncludes(error.message, "1000");
      assertStringIncludes(error.message, "read a slice");
      assertEquals(error.target, new Uint8Array(length).fill(9));
    }
    const fits = await file.slice(0, 10).into(new Uint8Array(10));
    assertSameBytes(fits, pattern(1000).subarray(0, 10));
  });

  it("may be empty for an empty object", async () => {
    const { client, uri } = at();
    const file = client.file(uri("empty"));
    await file.write("");
    assertEquals((await file.into(new Uint8Array(0))).length, 0);
    assertEquals((await file.into(new Uint8Array(10))).length, 0);
  });

  it("that is detached, shared, of WebAssembly or no Uint8Array is refused", async () => {
    const { client, uri } = at();
    const file = client.file(uri("small"));
    await file.write("0123456789");
    const detached = new Uint8Array(100);
    detached.buffer.transfer();
    const wasm = new WebAssembly.Memory({ initial: 1 });
    const cases: [name: string, target: unknown, says: string, remedy: string][] = [
      ["detached", detached, "detached", "hands back a new Uint8Array"],
      ["shared", new Uint8Array(new SharedArrayBuffer(100)), "shared", "of its own"],
      ["of WebAssembly", new Uint8Array(wasm.buffer), "WebAssembly", "of its own"],
      ["a Float64Array", new Float64Array(100), "no Uint8Array", "new Uint8Array(size)"],
      ["an ArrayBuffer", new ArrayBuffer(100), "no Uint8Array", "new Uint8Array(size)"],
      ["an array", [1, 2, 3], "no Uint8Array", "new Uint8Array(size)"],
      ["null", null, "no Uint8Array", "new Uint8Array(size)"],
      ["nothing", undefined, "no Uint8Array", "new Uint8Array(size)"],
    ];
    for (const [name, target, says, remedy] of cases) {
      const error = await assertRejects(
        () => file.into(target as Uint8Array<ArrayBuffer>),
        InvalidInputError,
        says,
        name,
      );
      assertEquals([error.code, error.operation], ["InvalidInput", "into"], name);
      assertStringIncludes(error.message, remedy, name);
    }
    assertEquals(wasm.buffer.byteLength, 65_536, "it is as it was");
  });

  it("may be resizable, and stays so", async () => {
    const { client, uri } = at();
    const file = client.file(uri("resizable"));
    await file.write(pattern(100));
    const target = new Uint8Array(new ArrayBuffer(100, { maxByteLength: 200 }));
    const filled = await file.into(target);
    assertSameBytes(filled, pattern(100));
    assertEquals([filled.buffer.resizable, filled.buffer.maxByteLength], [true, 200]);
  });

  it("is taken for the time of one read", async () => {
    const { client, uri } = at();
    const file = client.file(uri("one-at-a-time"));
    await file.write(pattern(5000));
    const target = new Uint8Array(5000);
    const first = file.into(target);
    const second = assertRejects(() => file.into(target), InvalidInputError, "detached");
    assertSameBytes(await first, pattern(5000));
    await second;
  });
});

it("a read-only target is refused", async () => {
  const told = await runWell(
    `await using server = await dipper.LocalS3.start();
    const client = server.client();
    await client.createBucket("bucket");
    const file = client.file("s3://bucket/key");
    await file.write("0123456789");
    const target = new Uint8Array(new ArrayBuffer(100).transferToImmutable());
    await tell(() => file.into(target));
    await tell(() => target.length);`,
    { flags: [FFI, "--allow-net=127.0.0.1", "--v8-flags=--js-immutable-arraybuffer"] },
  );
  assertEquals([told[0]?.name, told[0]?.code], ["InvalidInputError", "InvalidInput"]);
  assert(told[0]!.message!.includes("read-only"), told[0]!.message);
  assertEquals(told[1], { ok: 100 });
});
