// Lines of files: where they end, what they are made of, and what is refused.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DipperError,
  file,
  InvalidInputError,
  lines,
  LocalS3,
  NotFoundError,
  S3Client,
} from "dipper";
import {
  bytesOf,
  FORMS,
  gathered,
  plainSplit,
  pseudoRandom,
  textOf,
  withFile,
} from "./line_files.ts";

const MIB = 1 << 20;

async function failure(run: () => Promise<unknown>): Promise<DipperError> {
  return await assertRejects(run, DipperError);
}

describe("lines", () => {
  for (
    const [what, text] of Object.entries({
      "of an empty file": "",
      "of one end": "\n",
      "of a return and an end": "\r\n",
      "without a last end": "a\nb",
      "with returns": "a\r\nb\r\n\r\nc\r\n",
      "with returns that are content": "a\rb\r\r\nc\r",
      "that are empty": "\n\n\n\n",
      "of many scripts": "añ\n日本語\n\u{1F600}\u{1F600}\r\nעברית",
    })
  ) {
    it(`${what} are those of a plain split, in every form`, async () => {
      await withFile(text, async (path) => {
        for (const options of FORMS) {
          assertEquals(await gathered(path, options), plainSplit(text), JSON.stringify(options));
        }
      });
    });
  }

  it("are those of a plain split in large files of lines of all lengths", async () => {
    for (const seed of [1, 2, 3]) {
      const random = pseudoRandom(seed);
      const longest = [30, 3000, 400_000][seed - 1]!;
      let text = "";
      while (text.length < 3 * MIB) {
        const length = Math.floor(random.next().value ** 4 * longest);
        const letter = "abcdeé日\u{1F600}"[seed] ?? "x";
        text += letter.repeat(length) + (random.next().value < 0.3 ? "\r\n" : "\n");
      }
      text += seed === 2 ? "" : "the last one";
      const expected = plainSplit(text);
      await withFile(text, async (path) => {
        for (const options of FORMS) {
          const found = await gathered(path, options);
          assertEquals(found.length, expected.length);
          const differs = found.findIndex((line, at) => line !== expected[at]);
          assertEquals(differs, -1, `line ${differs} with ${JSON.stringify(options)}`);
        }
      });
    }
  });

  it("of more empty lines than a batch holds all come", async () => {
    await withFile("\n".repeat(300_001), async (path) => {
      for (const options of FORMS) {
        assertEquals((await gathered(path, options)).length, 300_001);
      }
    });
  });

  it("come in batches of whole lines whose layout is that of a column", async () => {
    await withFile("ab\r\n\ncde\nf", async (path) => {
      const batches = await Array.fromAsync(lines(path, { as: "bytes", batch: true }));
      assertEquals(batches.length, 1);
      const { bytes, offsets } = batches[0]!;
      assertEquals(new TextDecoder().decode(bytes), "abcdef");
      assertInstanceOf(offsets, Uint32Array);
      assertEquals([...offsets], [0, 2, 2, 5, 6]);
      assertEquals(await Array.fromAsync(lines(path, { batch: true })), [["ab", "", "cde", "f"]]);
    });
  });

  it("end when their client is disposed of, at any line", async () => {
    const wanted = Array.from({ length: 40_000 }, (_, at) => `${at}`.padStart(90, "."));
    await withFile(wanted.join("\n"), async (path) => {
      for (let round = 0; round < 12; round++) {
        const client = new S3Client();
        const found: string[] = [];
        const error = await assertRejects(async () => {
          for await (const line of client.lines(path)) {
            if (found.push(line) === 1 + 1800 * round) setTimeout(() => client.dispose(), 0);
            // The loop turns, so that it happens between any two batches.
            if (found.length % 300 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
          }
        }, DipperError);
        assertEquals(error.code, "ClientGone");
        assertEquals(found.findIndex((line, at) => line !== wanted[at]), -1, `round ${round}`);
      }
    });
  });

  it("stay as they are when the source is read on", async () => {
    const text = "0123456789abcde\n".repeat(500_000);
    await withFile(text, async (path) => {
      const kept = await Array.fromAsync(lines(path, { as: "bytes", batch: true }));
      assert(kept.length > 3);
      let size = 0;
      for (const { bytes, offsets } of kept) {
        size += bytes.length;
        assertEquals(bytes.length, 15 * (offsets.length - 1));
        assertEquals(new TextDecoder().decode(bytes.subarray(-15)), "0123456789abcde");
      }
      assertEquals(size, 500_000 * 15);
    });
  });

  it("are read by a file's handle, a slice of it, and each loop anew", async () => {
    await withFile("one\ntwo\nthree\n", async (path) => {
      const handle = file(path as `/${string}`);
      const found = handle.lines();
      assertEquals(await Array.fromAsync(found), ["one", "two", "three"]);
      assertEquals(await Array.fromAsync(found), ["one", "two", "three"]);
      assertEquals(await Array.fromAsync(handle.slice(4).lines()), ["two", "three"]);
      assertEquals(await Array.fromAsync(handle.slice(-6, -1).lines()), ["three"]);
      assertEquals(await textOf(new URL(`file://${path}`)), ["one", "two", "three"]);
      assertEquals(await textOf({ uri: path, key: "", size: 14, lastModified: new Date() }), [
        "one",
        "two",
        "three",
      ]);
    });
  });

  it("of a file that is not there fail in the loop", async () => {
    const found = lines("/does/not/exist");
    const error = await failure(() => Array.fromAsync(found));
    assertInstanceOf(error, NotFoundError);
    assertEquals(error.operation, "lines");
  });
});

describe("a long line", () => {
  it("is refused behind the lines before it, with its place", async () => {
    const long = "x".repeat(17 * MIB);
    await withFile(`first\r\nsecond\n${long}\nlast`, async (path) => {
      for (const options of FORMS) {
        const found: unknown[] = [];
        const error = await failure(async () => {
          for await (const one of lines(path, options) as AsyncIterable<unknown>) found.push(one);
        });
        assertInstanceOf(error, InvalidInputError);
        assertEquals(error.code, "TooLong");
        assertStringIncludes(error.message, "byte 14");
        assertStringIncludes(error.message, "16777216");
        assertStringIncludes(error.message, "maxLineLength");
        assertEquals(found.length, options.batch ? 1 : 2);
      }
    });
  });

  it("of 64 MiB is read where that is allowed", async () => {
    const long = "y".repeat(64 * MIB);
    await withFile(`first\n${long}\r\nlast`, async (path) => {
      const [first, line, last, ...rest] = await textOf(path, { maxLineLength: 64 * MIB });
      assertEquals([first, last, rest.length], ["first", "last", 0]);
      assert(line === long);
      const bytes = await Array.fromAsync(lines(path, { as: "bytes", maxLineLength: 64 * MIB }));
      assertEquals(bytes.map(({ length }) => length), [5, 64 * MIB, 4]);
      const error = await failure(() => textOf(path, { maxLineLength: 64 * MIB - 1 }));
      assertEquals(error.code, "TooLong");
    });
  });

  it("of exactly the limit is none, whatever ends it", async () => {
    for (const text of ["abcd", "abcd\n", "abcd\r\n", "x\nabcd\r\nab"]) {
      await withFile(text, async (path) => {
        assertEquals(await textOf(path, { maxLineLength: 4 }), plainSplit(text));
        const error = await failure(() => textOf(path, { maxLineLength: 3 }));
        assertEquals(error.code, "TooLong");
      });
    }
  });
});

describe("text", () => {
  const bad = new Uint8Array([
    ...bytesOf("good\r\nalso good\nbad: "),
    0xff,
    0xfe,
    ...bytesOf("\nbehind\n"),
  ]);

  it("that is no UTF-8 is refused behind the lines before it, with its place", async () => {
    await withFile(bad, async (path) => {
      const found: string[] = [];
      const error = await failure(async () => {
        for await (const line of lines(path)) found.push(line);
      });
      assertEquals([error.code, found], ["InvalidText", ["good", "also good"]]);
      assertInstanceOf(error, InvalidInputError);
      assertStringIncludes(error.message, "byte 21");
      assertStringIncludes(error.message, "lossy");
    });
  });

  it("that is no UTF-8 is replaced when that is asked for, and bytes stay as they are", async () => {
    await withFile(bad, async (path) => {
      const expected = ["good", "also good", "bad: \uFFFD\uFFFD", "behind"];
      assertEquals(await textOf(path, { encoding: "lossy" }), expected);
      const raw = await Array.fromAsync(lines(path, { as: "bytes" }));
      assertEquals([...raw[2]!], [...bytesOf("bad: "), 0xff, 0xfe]);
    });
  });

  it("is checked across the seams of what is read at once", async () => {
    for (const letter of ["é", "日", "\u{1F600}"]) {
      for (const before of [0, 1, 2, 3]) {
        const text = "a".repeat(before) + letter.repeat(400_000) + "\nb";
        await withFile(text, async (path) => assertEquals(await textOf(path), plainSplit(text)));
      }
      const cut = bytesOf(`${letter.repeat(100_000)}\n${letter}`);
      await withFile(cut.slice(0, -1), async (path) => {
        const error = await failure(() => textOf(path));
        assertStringIncludes(error.message, `byte ${cut.length - bytesOf(letter).length}`);
      });
    }
  });

  it("loses a byte order mark, and places count it", async () => {
    const text = "\uFEFFone\ntwo \uFEFF\n";
    await withFile(text, async (path) => {
      assertEquals(await textOf(path), ["one", "two \uFEFF"]);
      assertEquals(await textOf(path, { encoding: "lossy" }), ["one", "two \uFEFF"]);
      const raw = await Array.fromAsync(lines(path, { as: "bytes" }));
      assertEquals([...raw[0]!.subarray(0, 3)], [0xef, 0xbb, 0xbf]);
      const error = await failure(() => textOf(path, { maxLineLength: 4 }));
      assertStringIncludes(error.message, "byte 7");
    });
    await withFile("\uFEFF", async (path) => assertEquals(await textOf(path), []));
    await withFile(new Uint8Array([0xef, 0xbb]), async (path) => {
      assertEquals((await failure(() => textOf(path))).code, "InvalidText");
    });
  });

  it("of other encodings is decoded, strictly", async () => {
    const wide = (text: string) =>
      new Uint8Array(
        [...text].flatMap((letter) => [letter.charCodeAt(0) & 255, letter.charCodeAt(0) >> 8]),
      );
    const text = "\uFEFFeins\r\nzwei Ċ ਊ\n" + "drei €\n".repeat(50_000);
    await withFile(wide(text), async (path) => {
      assertEquals(await textOf(path, { encoding: "utf-16le" }), plainSplit(text.slice(1)));
    });
    await withFile(new Uint8Array([0xe4, 10, 0x80, 0xfc]), async (path) => {
      assertEquals(await textOf(path, { encoding: "latin1" }), ["ä", "€ü"]);
    });
    await withFile(new Uint8Array([...wide("ab\nc"), 0x00, 0xd8, 0x41, 0]), async (path) => {
      const found: string[] = [];
      const error = await failure(async () => {
        for await (const line of lines(path, { encoding: "UTF-16LE" })) found.push(line);
      });
      assertEquals([error.code, found], ["InvalidText", ["ab"]]);
      assertStringIncludes(error.message, "byte 8");
    });
    await withFile("x", async (path) => {
      const error = await failure(() => textOf(path, { encoding: "no-such" }));
      assertStringIncludes(error.message, "no-such");
      assertInstanceOf(error, InvalidInputError);
    });
  });
});

describe("options of lines", () => {
  for (
    const [what, options] of Object.entries({
      "an unknown name": { bach: true },
      "a form that is none": { as: "buffer" },
      "a flag that is none": { batch: 1 },
      "a limit of nothing": { maxLineLength: 0 },
      "a limit that is no number": { maxLineLength: "1" },
      "a limit that no string reaches": { maxLineLength: 2 ** 31 },
      "an encoding of bytes": { as: "bytes", encoding: "utf-8" },
      "an encoding that is none": { encoding: 8 },
      "a compression that is none": { compression: "brotli" },
      "a negative time": { stallTimeout: -1 },
      "a signal that is none": { signal: {} },
      "a client that is none": { client: {} },
      "null": null,
    })
  ) {
    it(`refuse ${what} at once`, () => {
      assertThrows(() => lines("/tmp/x", options as never), InvalidInputError);
    });
  }

  it("refuse sources that name nothing", () => {
    for (
      const source of [
        "relative.txt",
        "ftp://host/x",
        "tcp://",
        "tcp://host",
        "tcp://host:0",
        "tcp://user:canary@host:1",
        "tcp://host:1/path",
        "unix://",
        "unix://relative",
        "unix:///folder/",
        "--",
        "",
        null,
        7,
      ]
    ) {
      const error = assertThrows(() => lines(source as string), InvalidInputError);
      assert(!error.message.includes("canary"), error.message);
    }
  });

  it("name another client", async () => {
    await using s3 = await LocalS3.start();
    using client = s3.client();
    await client.createBucket("bucket");
    await client.file("s3://bucket/log").write("one\ntwo");
    assertEquals(await Array.fromAsync(lines("s3://bucket/log", { client })), ["one", "two"]);
    assertEquals(await Array.fromAsync(client.lines("s3://bucket/log")), ["one", "two"]);
  });

  it("tell how far it is", async () => {
    await withFile("0123456\n".repeat(400_000), async (path) => {
      const told: { bytes: number; total: number }[] = [];
      const onProgress = ({ bytes, total }: { bytes: number; total: number }) =>
        void told.push({ bytes, total });
      let count = 0;
      for await (const _ of lines(path, { onProgress })) count++;
      assertEquals(count, 400_000);
      assertEquals(told.at(-1), { bytes: 3_200_000, total: 3_200_000 });
    });
  });

  it("tell again and again, and what it took with it, where batches lie ready", async () => {
    await withFile("0123456\n".repeat(2_500_000), async (path) => {
      const told: [number, number][] = [];
      const onProgress = ({ bytes, metrics }: { bytes: number; metrics: { bytes: number } }) =>
        void told.push([bytes, metrics.bytes]);
      for await (const _ of lines(path, { as: "bytes", batch: true, onProgress })) {
        const until = performance.now() + 20;
        while (performance.now() < until);
      }
      // There are 20 batches at least, which take 400 ms.
      assert(told.length >= 4, `${told.length} times`);
      for (const [bytes, counted] of told) assertEquals(counted, bytes);
      assertEquals(told.at(-1)![0], 20_000_000);
    });
  });
});
