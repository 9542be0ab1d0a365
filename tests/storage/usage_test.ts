// What is stored, counted: on both servers, and on scripted ones with as many keys as it takes to
// split the work, in all the shapes that buckets have.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  DipperError,
  InvalidInputError,
  memory,
  NotFoundError,
  S3Client,
  type UsageReport,
} from "dipper";
import { isBehind, keyBetween } from "../../storage/parallel_count.ts";
import { extensionOf } from "../../storage/usage_tally.ts";
import { settled } from "../memory/settled.ts";
import { inBytes, listed, type MadeUp, type MadeUpOptions } from "./scripted_listing.ts";
import { ScriptedServer } from "./scripted_server.ts";
import { bucketName, onBothServers } from "./servers.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

function clientOf(server: ScriptedServer, retries = 1): S3Client {
  const credentials = { accessKeyId: "id", secretAccessKey: "secret" };
  return new S3Client({ endpoint: server.endpoint, credentials, retries });
}

onBothServers("usage", (at) => {
  it("tells objects and bytes by folder, extension, class and age", async () => {
    const { client } = at();
    const bucket = bucketName();
    await client.createBucket(bucket);
    const sizes: Record<string, number> = {
      "top.CSV": 1,
      "a/1.csv": 10,
      "a/2.csv.gz": 20,
      "a/deep/er/3.parquet": 30,
      "b c/ü+.parquet": 100,
      "b c/none": 1000,
    };
    for (const [key, size] of Object.entries(sizes)) {
      await client.file({ bucket, key }).write(new Uint8Array(size));
    }
    const report = await client.usage(`s3://${bucket}/`);
    assertEquals([report.objects, report.bytes, report.complete], [6, 1161, true]);
    assertEquals(report.folders, [
      { uri: `s3://${bucket}/b c/`, objects: 2, bytes: 1100 },
      { uri: `s3://${bucket}/a/`, objects: 3, bytes: 60 },
      { uri: `s3://${bucket}/`, objects: 1, bytes: 1 },
    ]);
    assertEquals(report.extensions, [
      { extension: "", objects: 1, bytes: 1000 },
      { extension: "parquet", objects: 2, bytes: 130 },
      { extension: "csv.gz", objects: 1, bytes: 20 },
      { extension: "csv", objects: 2, bytes: 11 },
    ]);
    assertEquals(report.storageClasses, [{ storageClass: "STANDARD", objects: 6, bytes: 1161 }]);
    assertEquals(report.ages[0], { fromDays: 0, toDays: 1, objects: 6, bytes: 1161 });
    assertEquals(report.ages.slice(1).map(({ objects }) => objects), [0, 0, 0, 0, 0]);
    assertEquals(report.uri, `s3://${bucket}/`);

    const inA = await client.usage(`s3://${bucket}/a/`, { depth: 2 });
    assertEquals(inA.folders.map(({ uri }) => uri), [
      `s3://${bucket}/a/`,
      `s3://${bucket}/a/deep/er/`,
    ]);
    const csv = await client.usage(`s3://${bucket}/`, { glob: "**/*.{csv,csv.gz}", depth: 0 });
    assertEquals([csv.objects, csv.bytes, csv.folders], [2, 30, []]);
    const none = await client.usage(`s3://${bucket}/nothing/`);
    assertEquals([none.objects, none.complete, none.folders], [0, true, []]);
    assertStringIncludes(Deno.inspect(report), "6 objects");
    const bundle = await (client.usage(`s3://${bucket}/`) as unknown as Record<
      symbol,
      () => Promise<Record<string, string>>
    >)[Symbol.for("Jupyter.display")]!();
    assertStringIncludes(bundle["text/html"]!, "b c/");
  });

  it("of a bucket that is not there fails", async () => {
    const { client } = at();
    const counting = client.usage(`s3://${bucketName()}/`);
    await assertRejects(() => counting, NotFoundError);
    assertEquals([counting.report.complete, counting.report.objects], [false, 0]);
  });
});

const pad = (number: number, digits = 6): string => String(number).padStart(digits, "0");

/** The same numbers each time (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  return (below) => {
    seed = seed + 0x6d2b79f5 | 0;
    let mixed = Math.imul(seed ^ seed >>> 15, 1 | seed);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) % below;
  };
}

/** Buckets of all shapes. */
const SHAPES: Record<string, { keys: string[]; options?: MadeUpOptions }> = {
  "numbered files in one folder": {
    keys: Array.from({ length: 30_000 }, (_, n) => `data/part-${pad(n)}.parquet`),
  },
  "hashes": {
    keys: Array.from({ length: 20_000 }, (_, n) => {
      const hash = Math.imul(n + 1, 0x9e3779b1) >>> 0;
      return hash.toString(16).padStart(8, "0");
    }),
  },
  "partitions": {
    keys: Array.from(
      { length: 24_000 },
      (_, n) => `t/year=${2000 + n % 10}/month=${pad(n % 12, 2)}/part-${pad(n)}.csv`,
    ),
  },
  "many tiny folders": {
    keys: Array.from({ length: 20_000 }, (_, n) => `user/${pad(n)}/profile.json`),
  },
  "folders of folders of one file": {
    keys: Array.from({ length: 10_000 }, (_, n) => [...pad(n, 4)].join("/") + "/file"),
  },
  "one large folder among small ones": {
    keys: [
      ...Array.from({ length: 100 }, (_, n) => `f${pad(n, 3)}/x`),
      ...Array.from({ length: 20_000 }, (_, n) => `f050/log-${pad(n)}`),
    ],
  },
  "objects that are named as folders, and odd slashes": {
    keys: Array.from(
      { length: 6000 },
      (_, n) => [`a${n % 50}/`, `a${n % 50}//${n}`, `/${n}`, `b${n}`],
    )
      .flat().filter((key, index, all) => all.indexOf(key) === index),
  },
  "letters of all scripts": {
    keys: Array.from(
      { length: 6000 },
      (_, n) =>
        `${["z", "é", "日", "\uE000", "\uFFFD", "🚰", "\u{10FFFF}"][n % 7]}${n % 3 ? "/" : ""}${n}`,
    ),
  },
  "random keys": {
    keys: (() => {
      const random = randomFrom(5);
      const keys = new Set<string>();
      while (keys.size < 8000) {
        keys.add(Array.from({ length: 1 + random(9) }, () => "ab/09Zz-~é"[random(10)]).join(""));
      }
      return [...keys];
    })(),
  },
  "a server that starts every listing at the front": {
    keys: Array.from({ length: 9000 }, (_, n) => `d${n % 3}/${pad(n)}`),
    options: { ignoresStart: true },
  },
  "small pages": {
    keys: Array.from({ length: 3000 }, (_, n) => `x/${pad(n)}`),
    options: { pageSize: 37 },
  },
};

describe("usage counts each key once", () => {
  for (const [shape, { keys, options = {} }] of Object.entries(SHAPES)) {
    it(`of ${shape}`, async () => {
      const objects: MadeUp[] = keys.map((key, index) => ({ key, size: index }));
      const answer = listed(objects, options);
      let [now, most, pause] = [0, 0, 1];
      await using server = await ScriptedServer.start(async (asked, reply) => {
        most = Math.max(most, ++now);
        // So that listings overlap, on a busy machine too.
        await new Promise((resolve) => setTimeout(resolve, pause));
        now--;
        await answer(asked, reply);
      });
      using client = clientOf(server);
      const bytes = objects.reduce((sum, { size }) => sum + size, 0);
      const pages = Math.ceil(keys.length / (options.pageSize ?? 1000));
      for (const parallel of [1, 4, 16]) {
        server.asked.length = 0;
        most = 0;
        pause = parallel === 16 ? 25 : 1;
        const report = await client.usage("s3://bucket/", { parallel, depth: 0 });
        assertEquals([report.objects, report.bytes, report.complete], [keys.length, bytes, true]);
        const asked = server.asked.length;
        // What a split costs does not grow with the bucket.
        if (!options.ignoresStart) assert(asked <= pages + 40 * parallel, `${asked} of ${pages}`);
        assert(most <= parallel, `${most} at once`);
        if (parallel === 16 && pages >= 20) assert(most >= 4, `only ${most} at once`);
      }
    });
  }

  it("with one request where one page is all", async () => {
    const answer = listed([{ key: "a/b", size: 1 }, { key: "c", size: 2 }]);
    await using server = await ScriptedServer.start((asked, reply) => answer(asked, reply));
    using client = clientOf(server);
    assertEquals((await client.usage("s3://bucket/")).pages, 1);
    assertEquals(server.asked.length, 1);
  });
});

describe("usage", () => {
  it("keeps what was counted when it fails, and when it is stopped", async () => {
    const keys = Array.from({ length: 20_000 }, (_, n) => ({ key: `p${pad(n)}`, size: 1 }));
    const answer = listed(keys);
    let fails = 6;
    await using server = await ScriptedServer.start((asked, reply, index) => {
      if (index < fails) return answer(asked, reply);
      return fails === 6
        ? reply.answer(403, {}, "<Error><Code>AccessDenied</Code></Error>")
        : reply.silence();
    });
    using client = clientOf(server, 0);
    const counting = client.usage("s3://bucket/");
    const error = await assertRejects(() => counting, DipperError);
    assertEquals([error.code, error.operation], ["AccessDenied", "usage"]);
    const { objects, bytes, complete } = counting.report;
    assert(objects >= 1000 && objects < 20_000 && bytes === objects, String(objects));
    assertEquals(complete, false);
    assertStringIncludes(Deno.inspect(counting), "not all was counted");

    fails = server.asked.length + 6;
    const controller = new AbortController();
    const reason = new Error("stop");
    const reports: UsageReport[] = [];
    const stopped = client.usage("s3://bucket/", {
      signal: controller.signal,
      onProgress: (report) => reports.push(report),
    });
    setTimeout(() => controller.abort(reason), 700);
    assertEquals(await assertRejects(() => stopped), reason);
    assert(stopped.report.objects >= 1000 && !stopped.report.complete);
    assertEquals(memory().operations, 0);
    await settled();
    const late = client.usage("s3://bucket/", { signal: AbortSignal.abort(reason) });
    assertEquals(await assertRejects(() => late), reason);
  });

  it("tells how far it is, and ends with what its listener throws", async () => {
    const keys = Array.from({ length: 5000 }, (_, n) => ({ key: `p${pad(n)}`, size: 1 }));
    const answer = listed(keys);
    await using server = await ScriptedServer.start(async (asked, reply) => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      await answer(asked, reply);
    });
    using client = clientOf(server);
    const reports: UsageReport[] = [];
    await client.usage("s3://bucket/", { parallel: 1, onProgress: (one) => reports.push(one) });
    assert(reports.length >= 2 && reports.length <= 6, String(reports.length));
    const counts = reports.map(({ objects }) => objects);
    assertEquals(counts, [...counts].sort((one, other) => one - other));
    assertEquals([reports.at(-1)!.complete, reports[0]!.complete], [true, false]);
    const thrown = new Error("mine");
    const counting = client.usage("s3://bucket/", {
      parallel: 1,
      onProgress: () => {
        throw thrown;
      },
    });
    assertEquals(await assertRejects(() => counting), thrown);
  });

  it("tells classes and ages, and bounds what it tells apart", async () => {
    const day = 24 * 3600 * 1000;
    const ago = (days: number) => new Date(Date.now() - days * day).toISOString();
    const objects: MadeUp[] = [
      ...Array.from({ length: 12_000 }, (_, n) => ({ key: `${pad(n)}/x`, size: 1 })),
      { key: "a", size: 5, storageClass: "GLACIER", lastModified: ago(0.5) },
      { key: "b", size: 6, storageClass: "GLACIER", lastModified: ago(45) },
      { key: "c", size: 7, storageClass: "DEEP_ARCHIVE", lastModified: ago(4000) },
      { key: "future", size: 8, lastModified: ago(-10) },
    ];
    const answer = listed(objects);
    await using server = await ScriptedServer.start((asked, reply) => answer(asked, reply));
    using client = clientOf(server);
    const report = await client.usage("s3://bucket/");
    assertEquals([report.objects, report.bytes], [12_004, 12_026]);
    assertEquals(report.folders.length, 10_001);
    const others = report.folders.filter(({ uri }) => uri === undefined);
    assertEquals(others.length, 1);
    const sum = report.folders.reduce((sum, { objects }) => sum + objects, 0);
    assertEquals(sum, 12_004);
    assertEquals(
      report.storageClasses.filter(({ storageClass }) => storageClass !== "STANDARD"),
      [
        { storageClass: "GLACIER", objects: 2, bytes: 11 },
        { storageClass: "DEEP_ARCHIVE", objects: 1, bytes: 7 },
      ],
    );
    const [young, , , quarter, , old] = report.ages;
    assertEquals([young?.objects, quarter?.objects, old!.objects >= 1], [2, 1, true]);
    assertEquals(report.ages.reduce((sum, { objects }) => sum + objects, 0), 12_004);
  });

  it("refuses what cannot be meant", () => {
    using client = new S3Client({ endpoint: "http://127.0.0.1:1" });
    for (
      const options of [
        { depth: -1 },
        { depth: 1.5 },
        { depth: 33 },
        { parallel: 0 },
        { parallel: 1000 },
        { parallel: "4" },
        { glob: "[" },
        { onProgress: 1 },
      ]
    ) {
      assertThrows(() => client.usage("s3://bucket/", options as never), InvalidInputError);
    }
    assertThrows(() => client.usage("http://h/"), InvalidInputError);
  });
});

describe("the parts that usage is made of", () => {
  it("know the order of keys", () => {
    const keys = ["", "a", "a/", "aa", "b", "é", "\uD7FF", "\uE000", "\uFFFD", "🚰", "\u{10FFFF}"];
    for (const one of keys) {
      for (const other of keys) {
        assertEquals(isBehind(one, other), inBytes(one, other) > 0, JSON.stringify([one, other]));
      }
    }
  });

  it("find a key between what was listed and the end", () => {
    assertEquals(keyBetween("p-000", "p-999", 0, undefined), "p3");
    assertEquals(keyBetween("p-000", "p-999", 2, undefined), "p-Z");
    assertEquals(keyBetween("0a", "1f", 0, undefined), "5");
    assertEquals(keyBetween("p-0000", "p-0999", 2, undefined), "p-5");
    assertEquals(keyBetween("p-0000", "p-0999", 2, "p-3"), "p-2");
    assertEquals(keyBetween("p/~", "p/~~", 2, undefined), undefined);
    for (const [first, last, until] of [["a0", "a5", "a9"], ["x", "x1", undefined]] as const) {
      const key = keyBetween(first, last, 0, until);
      if (key === undefined) continue;
      assert(isBehind(key, last) && (until === undefined || isBehind(until, key)), key);
    }
  });

  it("know extensions", () => {
    for (
      const [key, extension] of [
        ["a.csv", "csv"],
        ["a.CSV", "csv"],
        ["x.y/a", ""],
        ["x/.bashrc", ""],
        ["a.", ""],
        ["a.tar.gz", "tar.gz"],
        ["a.gz", "gz"],
        ["a.v1.2.csv.zst", "csv.zst"],
        ["a.b c", ""],
        ["a.<script>", ""],
        [`a.${"x".repeat(30)}`, ""],
        ["a/", ""],
      ] as const
    ) assertEquals(extensionOf(key), extension, key);
  });
});
