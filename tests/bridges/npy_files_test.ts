/** Tables from files and to files: every scheme, every form of numbers, and what is refused. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  AccessDeniedError,
  BudgetExceededError,
  EmbeddingTable,
  file,
  InvalidInputError,
  memory,
  metricsOf,
  NotFoundError,
  PreconditionFailedError,
  UnsupportedError,
} from "dipper";
import { held, memoryTest, settled } from "../memory/settled.ts";
import { onBothServers } from "../storage/servers.ts";

const { budget } = memory(); // Loads the library. Within a test, Deno would count that as a leak.

const encoder = new TextEncoder();

interface Npy {
  descr?: string;
  fortran?: boolean;
  shape?: string;
  version?: number;
  /** The length that the header claims, where that is another. */
  claimed?: number;
  data?: Uint8Array;
}

/** The bytes of a `.npy` file. */
function npy(
  { descr = "<f4", fortran = false, shape = "(2, 3)", version = 1, claimed, data }: Npy,
): Uint8Array<ArrayBuffer> {
  const said = `{'descr': '${descr}', 'fortran_order': ${
    fortran ? "True" : "False"
  }, 'shape': ${shape}, }\n`;
  const header = encoder.encode(said);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, claimed ?? header.length, true);
  const numbers = data ?? new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer);
  const magic = [0x93, ...encoder.encode("NUMPY"), version, 0];
  return Uint8Array.from([
    ...magic,
    ...length.slice(0, version === 1 ? 2 : 4),
    ...header,
    ...numbers,
  ]);
}

/** The numbers 1 to 6 as bytes of a kind. */
function numbersAs(set: (view: DataView, at: number, value: number) => void, size: number) {
  const view = new DataView(new ArrayBuffer(6 * size));
  for (let at = 0; at < 6; at++) set(view, at * size, at + 1);
  return new Uint8Array(view.buffer);
}

const COLUMNS_FIRST = new Uint8Array(new Float32Array([1, 4, 2, 5, 3, 6]).buffer);

const FORMS: Record<string, Npy> = {
  "f4": {},
  "f4, version 2": { version: 2 },
  "f4, version 3": { version: 3 },
  "f4, big-endian": { descr: ">f4", data: numbersAs((v, at, n) => v.setFloat32(at, n), 4) },
  "f8": { descr: "<f8", data: numbersAs((v, at, n) => v.setFloat64(at, n, true), 8) },
  "f8, big-endian": { descr: ">f8", data: numbersAs((v, at, n) => v.setFloat64(at, n), 8) },
  "f2": { descr: "<f2", data: numbersAs((v, at, n) => v.setFloat16(at, n, true), 2) },
  "f2, big-endian": { descr: ">f2", data: numbersAs((v, at, n) => v.setFloat16(at, n), 2) },
  "f4, Fortran order": { fortran: true, data: COLUMNS_FIRST },
};

const REFUSED: Record<string, { bytes: Uint8Array<ArrayBuffer>; parts: string[] }> = {
  "an empty file": { bytes: new Uint8Array(), parts: ["ends within its header", "0 bytes"] },
  "another format": { bytes: encoder.encode("PAR1 and more"), parts: ["does not start"] },
  "an unknown version": { bytes: npy({ version: 9 }), parts: ["version 9"] },
  "a header that is cut": { bytes: npy({}).slice(0, 30), parts: ["ends within its header", "30"] },
  "a header of 4 GiB": { bytes: npy({ version: 2, claimed: 2 ** 32 - 1 }), parts: ["4294967295"] },
  "a header that is no dictionary": {
    bytes: npy({ shape: "(2, 3), 'x': __import__('os')" }),
    parts: ["not a dictionary"],
  },
  "records": {
    bytes: npy({ descr: "<f4', 'fortran_order': False, 'descr': [('a', '<f4')], 'x': '" }),
    parts: ["records"],
  },
  "a dimension below zero": { bytes: npy({ shape: "(-1, 3)" }), parts: ["not a dictionary"] },
  "a shape without an end": { bytes: npy({ shape: "(".repeat(9000) }), parts: ["dictionary"] },
  "thousands of dimensions": {
    bytes: npy({ shape: `(${"1,".repeat(9000)})` }),
    parts: ["64 dimensions"],
  },
  "numbers of 16 bytes": { bytes: npy({ descr: "<f16" }), parts: ["'<f16'"] },
  "complex numbers": { bytes: npy({ descr: "<c8" }), parts: ["'<c8'"] },
  "integers": { bytes: npy({ descr: "<i4" }), parts: ["'<i4'", "f4"] },
  "objects": { bytes: npy({ descr: "|O" }), parts: ["'|O'"] },
  "one dimension": { bytes: npy({ shape: "(6,)" }), parts: ["(6)", "two dimensions"] },
  "three dimensions": { bytes: npy({ shape: "(1, 2, 3)" }), parts: ["(1, 2, 3)"] },
  "vectors without numbers": { bytes: npy({ shape: "(2, 0)" }), parts: ["0 numbers"] },
  "vectors too long": { bytes: npy({ shape: "(1, 9999999)" }), parts: ["9999999"] },
  "fewer numbers than said": { bytes: npy({ shape: "(3, 3)" }), parts: ["3 x 3", "36", "24"] },
  "more numbers than said": { bytes: npy({ shape: "(1, 3)" }), parts: ["1 x 3", "12", "24"] },
  "half a number": { bytes: npy({}).slice(0, -2), parts: ["24", "22"] },
  "petabytes": { bytes: npy({ shape: "(4000000000, 1000000)" }), parts: ["16000000000000000"] },
  "more rows than a table has": { bytes: npy({ shape: "(5000000000, 3)" }), parts: ["4294967295"] },
  "a size that overflows": {
    bytes: npy({ shape: "(18446744073709551615, 2)" }),
    parts: ["4294967295"],
  },
  "a dimension that no integer holds": {
    bytes: npy({ shape: "(99999999999999999999, 3)" }),
    parts: ["99999999999999999999"],
  },
};

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function some(rows: number, dimension: number): EmbeddingTable {
  const table = new EmbeddingTable(dimension);
  const numbers = Float32Array.from({ length: rows * dimension }, (_, at) => at % 8191);
  table.addMany(numbers);
  return table;
}

for (const [form, made] of Object.entries(FORMS)) {
  memoryTest(`a matrix of ${form} is loaded`, () =>
    withFolder(async (folder) => {
      await Deno.writeFile(`${folder}/m.npy`, npy(made));
      using table = await EmbeddingTable.load(`${folder}/m.npy`);
      assertEquals([table.length, table.dimension], [2, 3]);
      assertEquals(table.row(0), new Float32Array([1, 2, 3]));
      assertEquals(table.row(1), new Float32Array([4, 5, 6]));
      table.add([7, 8, 9]);
      assertEquals(table.row(2), new Float32Array([7, 8, 9]));
    }));
}

for (const [what, { bytes, parts }] of Object.entries(REFUSED)) {
  memoryTest(`${what} is refused before memory is taken`, () =>
    withFolder(async (folder) => {
      const path = `${folder}/m.npy`;
      await Deno.writeFile(path, bytes);
      const error = await assertRejects(() => EmbeddingTable.load(path), InvalidInputError);
      for (const part of [...parts, "m.npy"]) {
        assertStringIncludes(`${error.message} ${error.uri}`, part);
      }
    }));
}

memoryTest(
  "a matrix larger than the budget is refused, and nothing is read",
  () =>
    withFolder(async (folder) => {
      const rows = Math.ceil(budget / 4096) + 1;
      const path = `${folder}/m.npy`;
      await Deno.writeFile(path, npy({ shape: `(${rows}, 1024)`, data: new Uint8Array() }));
      const head = (await Deno.stat(path)).size;
      // A file with a hole: it takes no room on the disk.
      await Deno.truncate(path, head + rows * 4096);
      await assertRejects(() => EmbeddingTable.load(path), BudgetExceededError);
      assertEquals(held().bytes, 0);
    }),
);

for (const rows of [0, 1, 1000, 70_000]) {
  memoryTest(
    `${rows} vectors are saved to a file and loaded again`,
    () =>
      withFolder(async (folder) => {
        const path = `${folder}/table.npy`;
        using table = some(rows, 77);
        await table.save(path);
        const { size } = await Deno.stat(path);
        assertEquals(size % 4, 0);
        assertEquals(size, 128 + rows * 77 * 4);
        using loaded = await EmbeddingTable.load(new URL(`file://${path}`));
        assertEquals([loaded.length, loaded.dimension], [rows, 77]);
        for (let row = 0; row < rows; row += 499) assertEquals(loaded.row(row), table.row(row));
        if (rows > 0) assertEquals(loaded.row(rows - 1), table.row(rows - 1));
        const metrics = metricsOf(loaded);
        assertEquals(metrics?.bytes, size);
        assertEquals(metrics?.copies, 0, "from the disk to where it belongs");
      }),
  );
}

memoryTest("saving follows the rules of writing", () =>
  withFolder(async (folder) => {
    const path = `${folder}/table.npy`;
    using table = some(10, 3);
    await table.save(path);
    const exclusive = { ifNoneMatch: "*" } as object;
    await assertRejects(() => table.save(path, exclusive), PreconditionFailedError);
    await assertRejects(() => table.save(`${folder}/none/table.npy`), NotFoundError);
    await assertRejects(() => table.save(folder), InvalidInputError);
    // Nobody writes there, root neither.
    if (Deno.build.os === "linux") {
      await assertRejects(() => table.save("/sys/kernel/table.npy"), AccessDeniedError, "/sys/");
      await assertRejects(() => table.save("/dev/full"), InvalidInputError, "regular file");
    }
    await assertRejects(() => table.save("http://127.0.0.1:1/x"), UnsupportedError);
    await assertRejects(() => table.save(file(path as "/x").slice(1)), InvalidInputError);
    await assertRejects(() => table.save(path, { color: 1 } as object), InvalidInputError, "color");
    await assertRejects(() => table.save(5 as unknown as string), InvalidInputError);
    const client = {} as never;
    await assertRejects(() => table.save(path, { client }), InvalidInputError, "S3Client");
    await assertRejects(() => EmbeddingTable.load(path, { client }), InvalidInputError, "S3Client");
    const odd = { limit: 1 } as object;
    await assertRejects(() => EmbeddingTable.load(path, odd), InvalidInputError, "limit");
    await assertRejects(() => EmbeddingTable.load(`${folder}/none.npy`), NotFoundError);
    const part = file(path as "/x").slice(0, 100);
    await assertRejects(() => EmbeddingTable.load(part), InvalidInputError, "slice");
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    assertEquals(await assertRejects(() => table.save(path, { signal })), reason);
    assertEquals(await assertRejects(() => EmbeddingTable.load(path, { signal })), reason);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["table.npy"]);
    // Disposing it in the same turn is harmless.
    const gone = some(2000, 100);
    const saved = gone.save(path);
    gone.dispose();
    await saved;
    using loaded = await EmbeddingTable.load(path);
    assertEquals(loaded.length, 2000);
  }));

memoryTest(
  "progress is told, and a signal ends a load and a save",
  () =>
    withFolder(async (folder) => {
      const path = `${folder}/table.npy`;
      using table = some(100_000, 64);
      for (const what of ["save", "load"] as const) {
        const told: number[] = [];
        const onProgress = ({ bytes, total }: { bytes: number; total: number }) => {
          assertEquals(total, 128 + 100_000 * 64 * 4);
          told.push(bytes);
        };
        if (what === "save") await table.save(path, { onProgress });
        else (await EmbeddingTable.load(path, { onProgress })).dispose();
        assertEquals(told.at(-1), 128 + 100_000 * 64 * 4, what);
        const ending = new AbortController();
        const reason = new Error("enough");
        const stop = { signal: ending.signal, onProgress: () => ending.abort(reason) };
        const ended = what === "save"
          ? table.save(`${folder}/other.npy`, stop)
          : EmbeddingTable.load(path, stop);
        assertEquals(await assertRejects(() => ended), reason, what);
      }
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["table.npy"]);
    }),
);

memoryTest("what others add while it is saved is not written", () =>
  withFolder(async (folder) => {
    using table = some(50_000, 64);
    const saving = table.save(`${folder}/table.npy`);
    table.addMany(new Float32Array(64 * 1000));
    await saving;
    using loaded = await EmbeddingTable.load(`${folder}/table.npy`);
    assert(loaded.length === 50_000 || loaded.length === 51_000, `${loaded.length}`);
  }));

for (const how of ["with its length", "without a length", "without ranges"]) {
  memoryTest(`a table is loaded from a web address ${how}`, async () => {
    const table = some(20_000, 33);
    const folder = await Deno.makeTempDir();
    await table.save(`${folder}/table.npy`);
    const bytes = await Deno.readFile(`${folder}/table.npy`);
    await Deno.remove(folder, { recursive: true });
    let served = bytes;
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      if (how === "without a length") {
        return new Response(new Blob([served]).stream(), { headers: { "x": "y" } });
      }
      const range = /bytes=(\d+)-(\d*)/.exec(request.headers.get("range") ?? "");
      if (range === null || how === "without ranges") {
        return new Response(served, { headers: { "content-length": `${served.length}` } });
      }
      const start = Number(range[1]);
      const end = Math.min(served.length, range[2] ? Number(range[2]) + 1 : served.length);
      return new Response(served.slice(start, end), {
        status: 206,
        headers: {
          "content-range": `bytes ${start}-${end - 1}/${served.length}`,
          "etag": '"one"',
        },
      });
    });
    try {
      const address = `http://127.0.0.1:${server.addr.port}/table.npy` as const;
      const loaded = await EmbeddingTable.load(address);
      assertEquals(loaded.length, 20_000);
      for (let row = 0; row < 20_000; row += 997) assertEquals(loaded.row(row), table.row(row));
      loaded.dispose();
      for (const wrong of [bytes.slice(0, -3), new Uint8Array([...bytes, 0])]) {
        served = wrong;
        await assertRejects(() => EmbeddingTable.load(file(address)), InvalidInputError, "20000");
      }
    } finally {
      await server.shutdown();
      table.dispose();
    }
    await settled();
  });
}

onBothServers("tables on S3", (at) => {
  describe("saved and loaded", () => {
    for (const rows of [0, 3, 30_000, 60_000]) {
      it(`${rows} vectors`, async () => {
        const { client, uri } = at();
        const name = uri(`tables/${rows}.npy`);
        using table = some(rows, 100);
        const told: number[] = [];
        await table.save(name, { client, onProgress: ({ bytes }) => told.push(bytes) });
        const size = 128 + rows * 400;
        assertEquals(told.at(-1), size);
        assertEquals((await client.file(name).stat()).size, size);
        for (const source of [name, client.file(name), new URL(name)]) {
          using loaded = await EmbeddingTable.load(source, { client });
          assertEquals([loaded.length, loaded.dimension], [rows, 100]);
          for (let row = 0; row < rows; row += 997) assertEquals(loaded.row(row), table.row(row));
        }
      });
    }

    it("forms that pass through a small buffer", async () => {
      const { client, uri } = at();
      for (const [form, made] of Object.entries(FORMS)) {
        const name = uri(`forms/${form}`);
        await client.file(name).write(npy(made));
        using table = await EmbeddingTable.load(client.file(name));
        assertEquals(table.row(1), new Float32Array([4, 5, 6]), form);
      }
    });

    it("refuses what is no table, and says where", async () => {
      const { client, uri } = at();
      const name = uri("no-table");
      await client.file(name).write("hello, I am no table");
      const error = await assertRejects(
        () => EmbeddingTable.load(client.file(name)),
        InvalidInputError,
      );
      assertEquals(error.uri, name);
      const missing = uri("missing.npy");
      await assertRejects(() => EmbeddingTable.load(missing, { client }), NotFoundError);
      using table = some(2, 2);
      await table.save(name, { client });
      const exclusive = { client, ifNoneMatch: "*" };
      await assertRejects(() => table.save(name, exclusive), PreconditionFailedError);
    });

    it("a save that is ended leaves what was there", async () => {
      const { client, uri } = at();
      const name = uri("ended.npy");
      await client.file(name).write("before");
      using table = some(200_000, 64);
      const ending = new AbortController();
      const reason = new Error("enough");
      const saving = table.save(name, {
        client,
        signal: ending.signal,
        onProgress: () => ending.abort(reason),
      });
      assertEquals(await assertRejects(() => saving), reason);
      assertEquals(await client.file(name).text(), "before");
    });
  });
});
