// Compressed lines: every codec by name and by magic, members one after the other, damage with its
// place, and bombs that stay small.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { file, IntegrityError, lines, LocalS3, S3Client } from "dipper";
import { ScriptedServer } from "../storage/scripted_server.ts";
import { bytesOf, FORMS, gathered, plainSplit, textOf, withFile } from "./line_files.ts";

const text = Array.from({ length: 60_000 }, (_, at) => `line ${at * 7919 % 100_003} of é`).join(
  "\n",
);

/** What Python's standard library compresses: Deno has neither bzip2 nor xz. */
async function byPython(
  module: "bz2" | "lzma",
  data: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const program =
    `import sys, ${module}; sys.stdout.buffer.write(${module}.compress(sys.stdin.buffer.read()))`;
  const child = new Deno.Command(Deno.env.get("DIPPER_TEST_PYTHON") ?? "python3", {
    args: ["-c", program],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(data).then(() => writer.close());
  const { stdout, success } = await child.output();
  await written;
  assert(success, "python3 compresses");
  return new Uint8Array(stdout);
}

type Codec = (data: Uint8Array) => Promise<Uint8Array<ArrayBuffer>>;

const CODECS: Readonly<Record<string, Codec>> = {
  gz: (data) => Promise.resolve(new Uint8Array(gzipSync(data))),
  zst: (data) => Promise.resolve(new Uint8Array(zstdCompressSync(data))),
  bz2: (data) => byPython("bz2", data),
  xz: (data) => byPython("lzma", data),
};

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

for (const [suffix, compress] of Object.entries(CODECS)) {
  describe(`lines in .${suffix}`, () => {
    it("are those of the text, by name and by magic, in every form", async () => {
      const data = await compress(bytesOf(text));
      for (const name of [`.log.${suffix}`, ".log"]) {
        await withFile(data, async (path) => {
          for (const options of FORMS) {
            const found = await gathered(path, options);
            assert(found.join("\n") === text, JSON.stringify(options));
          }
        }, name);
      }
    });

    it("of several members are read one after the other", async () => {
      const [one, two] = [await compress(bytesOf("a\nb")), await compress(bytesOf("c\nd\n"))];
      await withFile(joined(one, two, one), async (path) => {
        assertEquals(await textOf(path), ["a", "bc", "d", "a", "b"]);
      });
    });

    it("of nothing are none", async () => {
      await withFile(await compress(new Uint8Array(0)), async (path) => {
        assertEquals(await textOf(path), []);
      }, `.${suffix}`);
    });

    it("that break off are an IntegrityError that names the place", async () => {
      const data = await compress(bytesOf(text));
      for (const length of [2, 11, Math.floor(data.length / 2), data.length - 1]) {
        await withFile(data.slice(0, length), async (path) => {
          let last = -1;
          const error = await assertRejects(async () => {
            for await (const line of lines(path)) {
              last++;
              assert(text.startsWith("line") && line.startsWith("line "));
            }
          }, IntegrityError);
          assertEquals(error.code, "DamagedData", error.message);
          assertStringIncludes(error.message, `byte ${length}`);
          assertStringIncludes(error.message, path);
          assert(last < 60_000);
        }, `.${suffix}`);
      }
    });

    it("with something else behind them are an IntegrityError, behind the lines", async () => {
      const data = await compress(bytesOf("one\ntwo\n"));
      await withFile(joined(data, bytesOf("something else")), async (path) => {
        const found: string[] = [];
        const error = await assertRejects(async () => {
          for await (const line of lines(path)) found.push(line);
        }, IntegrityError);
        assertEquals(error.code, "DamagedData", error.message);
        assertEquals(found, ["one", "two"]);
      });
    });

    it("that are damaged are an IntegrityError", async () => {
      const data = await compress(bytesOf(text));
      const damaged = data.slice();
      const middle = Math.floor(damaged.length / 2);
      for (let at = middle; at < middle + 8; at++) damaged[at]! ^= 0x5a;
      await withFile(damaged, async (path) => {
        const error = await assertRejects(
          () => textOf(path, { encoding: "lossy" }),
          IntegrityError,
        );
        assertEquals(error.code, "DamagedData", error.message);
        assertStringIncludes(error.message, "byte ");
      });
    });

    it("are left as they are when that is asked for", async () => {
      const data = await compress(bytesOf("a\nb\n"));
      await withFile(data, async (path) => {
        const raw = await Array.fromAsync(
          lines(path, { as: "bytes", batch: true, compression: "none" }),
        );
        const ends = data.filter((byte) => byte === 10).length;
        assert(raw[0]!.offsets.length - 1 >= ends);
      }, `.${suffix}`);
    });

    it("come over S3 and HTTP, and text() and json() read them too", async () => {
      const data = await compress(bytesOf(text));
      await using s3 = await LocalS3.start();
      using client = s3.client();
      await client.createBucket("bucket");
      const object = client.file(`s3://bucket/log.${suffix}`);
      await object.write(data);
      assertEquals((await Array.fromAsync(object.lines())).length, 60_000);
      assert(await object.text() === text);
      const record = client.file("s3://bucket/record");
      await record.write(await compress(bytesOf('{"a":[1,2]}')));
      assertEquals(await record.json(), { a: [1, 2] });
      await using server = await ScriptedServer.start(async (_, reply) => {
        await reply.answer(200, {}, data);
      });
      using web = new S3Client();
      const found = await Array.fromAsync(web.lines(`${server.endpoint}/log`));
      assert(found.join("\n") === text);
    });
  });
}

describe("lines behind a Content-Encoding", () => {
  for (
    const [encoding, body] of Object.entries({
      gzip: gzipSync("a\nb"),
      deflate: deflateSync("a\nb"),
      zstd: zstdCompressSync("a\nb"),
      // Somebody decoded it on the way, or never encoded it.
      "gzip, gzip": bytesOf("a\nb"),
      identity: bytesOf("a\nb"),
    })
  ) {
    it(`of ${encoding} are decompressed`, async () => {
      await using server = await ScriptedServer.start(async (_, reply) => {
        await reply.answer(200, { "content-encoding": encoding }, new Uint8Array(body));
      });
      using client = new S3Client();
      assertEquals(await Array.fromAsync(client.lines(`${server.endpoint}/x`)), ["a", "b"]);
      assertEquals(await client.file(`${server.endpoint}/x` as `http://${string}`).text(), "a\nb");
    });
  }
});

describe("what looks compressed", () => {
  it("and is none is read as it is", async () => {
    for (
      const content of [
        "BZh9 is how bzip2 begins\nand so on",
        "BZh",
        "B",
        "(\nx",
        "\u001f\nx",
        "7z",
      ]
    ) {
      for (const suffix of ["", ".bz2"]) {
        if (suffix !== "" && "BZh".startsWith(content)) continue;
        await withFile(content, async (path) => {
          assertEquals(await textOf(path), plainSplit(content));
        }, suffix);
      }
    }
    await withFile("plain\n", async (path) => assertEquals(await textOf(path), ["plain"]), ".gz");
    await withFile("", async (path) => assertEquals(await textOf(path), []), ".gz");
  });

  it("may be padded with zeros behind gzip", async () => {
    const data = joined(gzipSync("a\n"), new Uint8Array(1000), gzipSync("b\n"), new Uint8Array(9));
    await withFile(data, async (path) => assertEquals(await textOf(path), ["a", "b"]));
  });

  it("and has something else behind it is damaged", async () => {
    await withFile(joined(gzipSync("a\n"), bytesOf("garbage")), async (path) => {
      const found: string[] = [];
      const error = await assertRejects(async () => {
        for await (const line of lines(path)) found.push(line);
      }, IntegrityError);
      assertEquals([error.code, found], ["DamagedData", ["a"]]);
    });
  });

  it("and is said to be what it is not is damaged", async () => {
    await withFile("plain\n", async (path) => {
      for (const compression of ["gzip", "deflate", "zstd", "bzip2", "xz"] as const) {
        const error = await assertRejects(() => textOf(path, { compression }));
        assertInstanceOf(error, IntegrityError, compression);
      }
    });
  });

  it("as a bomb is one long line that is refused, whatever it would hold", async () => {
    // 256 MiB of zeros in a few hundred KiB: one line without an end.
    const zeros = gzipSync(new Uint8Array(64 << 20));
    const bomb = joined(zeros, zeros, zeros, zeros);
    await withFile(bomb, async (path) => {
      const error = await assertRejects(() => textOf(path));
      assertEquals((error as { code?: string }).code, "TooLong");
      assertStringIncludes((error as Error).message, "decompressed");
    });
  });
});

describe("text()", () => {
  it("of what V8 cannot hold when decompressed names lines", async () => {
    const part = gzipSync(new Uint8Array(64 << 20).fill(120));
    await withFile(joined(...Array.from({ length: 9 }, () => part)), async (path) => {
      const error = await assertRejects(() => file(path as `/${string}`).text());
      assertStringIncludes((error as Error).message, "lines()");
    });
  });
});
