/** Arrays of several dimensions as NumPy and safetensors write them, and files that are none. */

import {
  file,
  IntegrityError,
  InvalidInputError,
  memory,
  PreconditionFailedError,
  UnsupportedError,
} from "dipper";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { join } from "node:path";
import { npyHead } from "../../table/array_layout.ts";
import { python, WrittenFiles } from "./written_files.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** What a file must be read as: each element by its index, as text. */
interface Expected {
  dtype: string;
  shape: number[];
  values: string[];
}

describe("arrays", { ignore: python === undefined }, () => {
  let files: WrittenFiles;
  let expected: Record<string, Expected>;
  beforeAll(async () => {
    files = await WrittenFiles.of("arrays");
    expected = JSON.parse(await Deno.readTextFile(join(files.directory, "expected.json")));
  });
  afterAll(() => files?.[Symbol.asyncDispose]());

  const array = (name: string, options = {}) => files.client.file(files.uri(name)).array(options);

  /** Walks over an array by its strides, the last index fastest. */
  function values({ data, shape, stride }: Awaited<ReturnType<typeof array>>): string[] {
    const all: string[] = [];
    const walk = (axis: number, at: number): void => {
      if (axis === shape.length) return void all.push(String(data[at]));
      for (let index = 0; index < shape[axis]!; index++) walk(axis + 1, at + index * stride[axis]!);
    };
    walk(0, 0);
    return all;
  }

  it("reads every dtype and order, value by value", async () => {
    const names = Object.keys(expected);
    assert(names.length > 25);
    for (const name of names) {
      const { dtype, shape, values: wanted } = expected[name]!;
      const [path, tensor] = name.split("#");
      const read = await array(path!, tensor === undefined ? {} : { tensor });
      assertEquals([name, read.dtype, read.shape], [name, dtype, shape]);
      assertEquals(values(read), wanted, name);
    }
  });

  it("reads some rows, and only these", async () => {
    for (const name of ["float32.npy", "fortran.npy", "model.safetensors#weights"]) {
      const [path, tensor] = name.split("#");
      const { shape, values: wanted } = expected[name]!;
      const row = shape.slice(1).reduce((product, length) => product * length, 1);
      for (const rows of [[0, 0], [0, 1], [1, 3], [2, 3]] as [number, number][]) {
        const read = await array(path!, { rows, ...(tensor === undefined ? {} : { tensor }) });
        assertEquals(read.shape, [rows[1] - rows[0], ...shape.slice(1)]);
        assertEquals(values(read), wanted.slice(rows[0] * row, rows[1] * row));
      }
      assertEquals(
        (await array(path!, { rows: [1, 2], ...(tensor && { tensor }) })).data.byteOffset,
        0,
      );
    }
    await assertRejects(() => array("float32.npy", { rows: [0, 4] }), InvalidInputError, "3 rows");
    for (const rows of [[2, 1], [-1, 2], [0], 3, [0, 1.5]]) {
      await assertRejects(() => array("float32.npy", { rows }), InvalidInputError, "rows");
    }
  });

  it("reads files of this machine", async () => {
    const read = await file(join(files.directory, "float32.npy")).array();
    assertEquals(values(read), expected["float32.npy"]!.values);
  });

  it("names the tensors, and refuses what no typed array holds", async () => {
    await assertRejects(() => array("model.safetensors"), InvalidInputError, "weights");
    await assertRejects(
      () => array("model.safetensors", { tensor: "x" }),
      InvalidInputError,
      '"x"',
    );
    await assertRejects(() => array("float32.npy", { tensor: "x" }), InvalidInputError, ".npy");
    await assertRejects(() => array("records.npy"), UnsupportedError, "height");
    const archive = files.client.file(files.uri("archive.npz"));
    await archive.write(new Uint8Array([0x50, 0x4b, 3, 4, 45, 0, 0, 0, 0, 0, 33]));
    await assertRejects(() => archive.array(), UnsupportedError, "table()");
    for (const name of ["text.npy", "bytes.npy", "complex.npy"]) {
      await assertRejects(() => array(name), UnsupportedError, "no typed array");
    }
  });

  it("refuses what is cut short, flipped, or something else", async () => {
    for (const name of ["float32.npy", "model.safetensors"]) {
      const bytes = await files.bytes(name);
      for (const length of [0, 1, 7, 9, 50, name.endsWith("s") ? 300 : bytes.length - 1]) {
        const damaged = files.client.file(files.uri(`cut.${name}`));
        await damaged.write(bytes.slice(0, length));
        await assertRejects(
          () => damaged.array({ rows: [0, 2], ...(name.endsWith("s") && { tensor: "weights" }) }),
          IntegrityError,
        );
      }
    }
    const note = files.client.file(files.uri("note"));
    await note.write("this is neither");
    await assertRejects(() => note.array(), IntegrityError, "neither");
  });

  it("survives a thousand flipped headers", async () => {
    const path = await Deno.makeTempFile({ suffix: ".npy" });
    try {
      let seed = 1;
      const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
      for (const name of ["float32.npy", "model.safetensors"]) {
        const bytes = await files.bytes(name);
        for (let round = 0; round < 500; round++) {
          const flipped = bytes.slice();
          const at = random(Math.min(bytes.length, 200));
          flipped[at] = flipped[at]! ^ (1 << random(8));
          await Deno.writeFile(path, flipped);
          const options = name.endsWith("s") ? { tensor: "weights" } : {};
          await file(path).array(options).catch((error) =>
            assert(
              [IntegrityError, InvalidInputError, UnsupportedError].some((kind) =>
                error instanceof kind
              ),
              String(error),
            )
          );
        }
      }
    } finally {
      await Deno.remove(path);
    }
  });
});

describe("headers of arrays", () => {
  const head = (said: string): Uint8Array<ArrayBuffer> => {
    const text = new TextEncoder().encode(said);
    const length = [text.length & 255, text.length >> 8];
    return Uint8Array.of(0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, ...length, ...text);
  };

  it("are read or refused at once, however many commas and spaces they have", () => {
    const said = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)";
    assertEquals("needs" in npyHead(head(`${said}${" , ".repeat(5000)}}  `)), false);
    for (const many of [" , ", "  ", ", 'shape': (3,)", ", 'shape': (3,) ", ",\n"]) {
      for (const end of ["", "x", "}x", "} }"]) {
        // Twice as many would take four times as long at most; it was 2^n.
        const bytes = head(`${said}${many.repeat(60_000 / many.length | 0)}${end}`);
        assertThrows(() => npyHead(bytes), "is not a dictionary");
      }
    }
  });

  it("names a few of many tensors, and not all of a long name", async () => {
    const tensor = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
    const names = Array.from({ length: 1000 }, (_, at) => `${at}${"x".repeat(5000)}`);
    const said = new TextEncoder().encode(
      JSON.stringify(Object.fromEntries(names.map((name) => [name, tensor]))),
    );
    const path = await Deno.makeTempFile({ suffix: ".safetensors" });
    try {
      const length = new BigUint64Array([BigInt(said.length)]);
      const bytes = await new Blob([length, said, new Float32Array(1)]).bytes();
      await Deno.writeFile(path, bytes);
      const error = await assertRejects(() => file(path).array(), InvalidInputError, "1000");
      assert(error.message.length < 10_000, `${error.message.length} characters`);
      assertEquals((await file(path).array({ tensor: names[7]! })).shape, [1]);
    } finally {
      await Deno.remove(path);
    }
  });

  it("are of the version of which the elements are, or it is said that there is another", async () => {
    const bytes = Uint8Array.of(
      ...head("{'descr': '<f8', 'fortran_order': False, 'shape': (1000,), }"),
      ...new Uint8Array(8000),
    );
    let asked = 0;
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) => {
        const headers = { etag: asked < 2 ? '"a"' : '"b"' };
        if (asked++ === 0) {
          return new Response(null, {
            headers: { ...headers, "content-length": `${bytes.length}` },
          });
        }
        if (request.headers.get("if-match") !== headers.etag) {
          return new Response(null, { status: 412, headers });
        }
        const [, start, end] = /bytes=([0-9]+)-([0-9]+)/.exec(request.headers.get("range")!)!;
        const range = `bytes ${start}-${end}/${bytes.length}`;
        return new Response(bytes.slice(Number(start), Number(end) + 1), {
          status: 206,
          headers: { ...headers, "content-range": range },
        });
      },
    );
    const f = file(`http://127.0.0.1:${server.addr.port}/x.npy`);
    const error = await assertRejects(() => f.array(), PreconditionFailedError, "changed");
    assertEquals([error.code, asked], ["ObjectChanged", 3]);
  });
});
