/**
 * What the server serves: random bytes in files of the sizes that the figures name, a huge file of
 * nothing, and the pages of a listing.
 *
 * @module
 */
import { join } from "node:path";

const MIB = 2 ** 20;

/** The bucket that holds the objects. */
export const BUCKET = "bench";

/** The objects, by what they are for. */
export const OBJECTS = {
  /** Opens connections. */
  tiny: { key: "tiny", size: 1024 },
  /** 64 MiB. */
  medium: { key: "medium", size: 64 * MIB },
  /** 1 GiB. */
  large: { key: "large", size: 1024 * MIB },
  /** 20 GB, sparse. */
  huge: { key: "huge", size: 20e9 },
} as const;

/** Many small objects. */
export const SMALL = { prefix: "small/", size: 16 * 1024, count: 10_000 } as const;

/** The listing: a bucket of its own, in pages of 1,000. */
export const LISTING = { bucket: "listing", keys: 100_000, page: 1000 } as const;

/** Writes the objects that these names stand for below a served folder. */
export async function writeObjects(folder: string, names: Iterable<string>): Promise<void> {
  const bucket = join(folder, BUCKET);
  await Deno.mkdir(join(bucket, SMALL.prefix), { recursive: true });
  for (const name of new Set(names)) {
    if (name === "small") await writeSmall(bucket);
    else if (name === "listing") await writeListing(join(folder, "listing-pages"));
    else if (name === "huge") await writeSparse(join(bucket, "huge"), OBJECTS.huge.size);
    else {
      const { key, size } = OBJECTS[name as "tiny" | "medium" | "large"];
      await writeRandom(join(bucket, key), size);
    }
  }
}

async function writeRandom(path: string, size: number): Promise<void> {
  using file = await Deno.create(path);
  const chunk = new Uint8Array(Math.min(size, MIB));
  for (let at = 0; at < size; at += chunk.length) {
    for (let part = 0; part < chunk.length; part += 65_536) {
      crypto.getRandomValues(chunk.subarray(part, part + 65_536));
    }
    for (let written = 0; written < chunk.length;) {
      written += await file.write(chunk.subarray(written));
    }
  }
}

async function writeSparse(path: string, size: number): Promise<void> {
  using file = await Deno.create(path);
  await file.truncate(size);
}

async function writeSmall(bucket: string): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(SMALL.size));
  for (let number = 0; number < SMALL.count; number++) {
    new DataView(bytes.buffer).setUint32(0, number);
    await Deno.writeFile(join(bucket, SMALL.prefix + String(number).padStart(6, "0")), bytes);
  }
}

/** The answers to ListObjectsV2, as S3 writes them; the token of a page is its number. */
async function writeListing(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  const pages = LISTING.keys / LISTING.page;
  for (let page = 0; page < pages; page++) {
    const contents = Array.from({ length: LISTING.page }, (_, index) => {
      const number = page * LISTING.page + index;
      const key = `trips/year=2024/part-${String(number).padStart(8, "0")}.parquet`;
      const etag = number.toString(16).padStart(32, "0");
      return `<Contents><Key>${key}</Key><LastModified>2024-05-01T12:00:00.000Z</LastModified>` +
        `<ETag>&quot;${etag}&quot;</ETag><Size>${number}</Size>` +
        `<StorageClass>STANDARD</StorageClass></Contents>`;
    });
    const next = page + 1 < pages
      ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${page + 1}</NextContinuationToken>`
      : "<IsTruncated>false</IsTruncated>";
    const token = page > 0 ? `<ContinuationToken>${page}</ContinuationToken>` : "";
    await Deno.writeTextFile(
      join(folder, `page${page === 0 ? "" : page}.xml`),
      `<?xml version="1.0" encoding="UTF-8"?>\n` +
        `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` +
        `<Name>${LISTING.bucket}</Name><Prefix></Prefix>${token}${next}` +
        `<KeyCount>${LISTING.page}</KeyCount><MaxKeys>1000</MaxKeys>${contents.join("")}` +
        `</ListBucketResult>`,
    );
  }
}
