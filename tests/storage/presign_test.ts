// Signed URLs: what they allow, and what they do not, with Deno's own fetch on both servers.

import { createHash } from "node:crypto";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  CredentialsError,
  DipperError,
  InvalidInputError,
  type PresignOptions,
  S3Client,
  UnsupportedError,
} from "dipper";
import { onBothServers } from "./servers.ts";

/** Asks for a URL and reads the answer to its end. */
async function ask(
  url: string,
  init: RequestInit = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const KEYS = [
  "plain",
  "pl+us",
  "sp ace",
  "%41",
  "?q#f",
  "a//b",
  "new\nline",
  "größe 🚰",
  "=&;'()*!~",
];

onBothServers("a presigned URL", (at) => {
  it("reads, writes, describes and deletes, whatever the key", async () => {
    const { client, uri } = at();
    for (const key of KEYS) {
      const file = client.file(uri(key));
      const put = await ask(await file.presign({ method: "PUT" }), { method: "PUT", body: key });
      assertEquals(put.status, 200, `${JSON.stringify(key)}: ${put.text}`);
      assertEquals(await file.text(), key);
      const get = await ask(await file.presign());
      assertEquals([get.status, get.text], [200, key]);
      const head = await ask(await file.presign({ method: "HEAD" }), { method: "HEAD" });
      assertEquals(head.status, 200);
      assertEquals(head.headers.get("content-length"), `${new TextEncoder().encode(key).length}`);
      const gone = await ask(await file.presign({ method: "DELETE" }), { method: "DELETE" });
      assertEquals(gone.status, 204);
      assert(!await file.exists());
    }
  });

  it("reads a part when a Range is sent with it", async () => {
    const { client, uri } = at();
    const file = client.file(uri("parts"));
    await file.write("0123456789");
    const part = await ask(await file.presign(), { headers: { range: "bytes=2-4" } });
    assertEquals([part.status, part.text], [206, "234"]);
  });

  it("is read by file() as any web address, which never shows it", async () => {
    const { client, uri } = at();
    const file = client.file(uri("as-http"));
    await file.write("hello");
    const url = await file.presign() as `http://${string}`;
    const page = client.file(url);
    assertEquals(await page.text(), "hello");
    const missing = client.file(await client.file(uri("none")).presign() as `http://${string}`);
    const error = await assertRejects(() => missing.bytes(), DipperError);
    const signature = new URL(missing.uri).searchParams.get("X-Amz-Signature");
    assert(signature !== null && signature.length === 64);
    const seen = [
      Deno.inspect(missing, { showHidden: true, depth: 5 }),
      Deno.inspect(error, { showHidden: true, depth: 5 }),
      error.message,
      error.stack,
      error.uri,
      JSON.stringify(await Reflect.get(missing, Symbol.for("Jupyter.display")).call(missing)),
      JSON.stringify(await Reflect.get(error, Symbol.for("Jupyter.display")).call(error)),
    ].join("\n");
    assert(!seen.includes(signature), seen);
    assert(!seen.includes("X-Amz-Credential="), seen);
  });

  it("answers with the headers that were asked for", async () => {
    const { client, uri } = at();
    const file = client.file(uri("answered"));
    await file.write("a,b");
    const url = await file.presign({
      responseContentType: "text/csv; charset=utf-8",
      responseContentDisposition: `attachment; filename="a b.csv"`,
      responseCacheControl: "no-store",
      responseContentLanguage: "de",
      responseExpires: new Date("2030-01-02T03:04:05Z"),
    });
    const { status, headers } = await ask(url);
    assertEquals(status, 200);
    assertEquals(headers.get("content-type"), "text/csv; charset=utf-8");
    assertEquals(headers.get("content-disposition"), `attachment; filename="a b.csv"`);
    assertEquals(headers.get("cache-control"), "no-store");
    assertEquals(headers.get("content-language"), "de");
    assertEquals(headers.get("expires"), "Wed, 02 Jan 2030 03:04:05 GMT");
  });

  it("is for its method only", async () => {
    const { client, uri } = at();
    const file = client.file(uri("method"));
    await file.write("kept");
    const get = await file.presign({ method: "GET" });
    assertEquals((await ask(get, { method: "PUT", body: "x" })).status, 403);
    assertEquals((await ask(get, { method: "DELETE" })).status, 403);
    const put = await file.presign({ method: "PUT" });
    assertEquals((await ask(put)).status, 403);
    assertEquals(await file.text(), "kept");
  });

  it("is for its object only, and for what it says only", async () => {
    const { client, uri } = at();
    await client.file(uri("one")).write("1");
    await client.file(uri("other")).write("2");
    const url = await client.file(uri("one")).presign();
    assertEquals((await ask(url.replace("/one?", "/other?"))).status, 403);
    assertEquals((await ask(url.replace("X-Amz-Expires=900", "X-Amz-Expires=901"))).status, 403);
    assertEquals((await ask(`${url}&response-content-type=text%2Fhtml`)).status, 403);
    const signature = url.replace(
      /(X-Amz-Signature=)(.)/,
      (_, name, first) => `${name}${first === "0" ? "1" : "0"}`,
    );
    assertEquals((await ask(signature)).status, 403);
  });

  it("binds a writer to the media type", async () => {
    const { client, uri } = at();
    const file = client.file(uri("typed"));
    const url = await file.presign({ method: "PUT", contentType: "text/csv" });
    const send = (type: string) =>
      ask(url, { method: "PUT", body: "a,b", headers: { "content-type": type } });
    assertEquals((await send("text/html")).status, 403);
    assert(!await file.exists());
    assertEquals((await send("text/csv")).status, 200);
    assertEquals((await file.stat()).contentType, "text/csv");
  });

  it("binds a writer to what it says of the object", async () => {
    const { client, uri } = at();
    const file = client.file(uri("said"));
    const url = await file.presign({
      method: "PUT",
      contentType: "text/csv",
      cacheControl: "no-store",
      metadata: { By: "me" },
      tags: { a: "b c" },
    });
    const headers = {
      "content-type": "text/csv",
      "cache-control": "no-store",
      "x-amz-meta-by": "me",
      "x-amz-tagging": "a=b%20c",
    };
    const send = (headers: Record<string, string>) =>
      ask(url, { method: "PUT", body: "a,b", headers });
    for (const name of Object.keys(headers)) {
      assertEquals((await send({ ...headers, [name]: "other" })).status, 403, name);
    }
    assert(!await file.exists());
    const put = await send(headers);
    assertEquals(put.status, 200, put.text);
    const { contentType, cacheControl, metadata } = await file.stat();
    assertEquals([contentType, cacheControl, metadata], ["text/csv", "no-store", { by: "me" }]);
    assertEquals(await file.tags(), { a: "b c" });
  });

  it("with a key of one's own holds no key, and works for who has it", async () => {
    const { client, uri, server } = at();
    // versitygw knows no such keys.
    if (server !== "LocalS3") return;
    const key = crypto.getRandomValues(new Uint8Array(32));
    const file = client.file(uri("sealed"), { customerKey: key });
    const name = "x-amz-server-side-encryption-customer";
    const headers = {
      [`${name}-algorithm`]: "AES256",
      [`${name}-key`]: key.toBase64(),
      [`${name}-key-md5`]: createHash("md5").update(key).digest("base64"),
    };
    const put = await file.presign({ method: "PUT" });
    const get = await file.presign();
    for (const url of [put, get]) {
      assert(!decodeURIComponent(url).includes(key.toBase64()), url);
    }
    const written = await ask(put, { method: "PUT", body: "secret", headers });
    assertEquals(written.status, 200, written.text);
    assertEquals(await file.text(), "secret");
    assertEquals((await ask(get, { headers })).text, "secret");
    assertEquals((await ask(get)).status, 403);
  });

  it("writes only where nothing is, when it says so", async () => {
    const { client, uri } = at();
    const file = client.file(uri("once"));
    const url = await file.presign({ method: "PUT", ifNoneMatch: "*" });
    const send = (headers: Record<string, string>) =>
      ask(url, { method: "PUT", body: "a", headers });
    assertEquals((await send({})).status, 403);
    assertEquals((await send({ "if-none-match": "*" })).status, 200);
    assertEquals((await send({ "if-none-match": "*" })).status, 412);
  });

  it("binds a writer to the size", async () => {
    const { client, uri } = at();
    const file = client.file(uri("sized"));
    const url = await file.presign({ method: "PUT", contentLength: 3 });
    assertEquals((await ask(url, { method: "PUT", body: "four" })).status, 403);
    assert(!await file.exists());
    assertEquals((await ask(url, { method: "PUT", body: "abc" })).status, 200);
    assertEquals((await file.stat()).size, 3);
  });

  it("ends when it is over", async () => {
    const { client, uri } = at();
    const file = client.file(uri("ends"));
    await file.write("x");
    const url = await file.presign({ expiresIn: 1 });
    const late = await file.presign({ expiresIn: 100 });
    await new Promise((resolve) => setTimeout(resolve, 2100));
    assertEquals((await ask(url)).status, 403);
    assertEquals((await ask(late)).status, 200);
  });
});

describe("presign", () => {
  const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "canary-secret" };
  const offline = (options = {}) =>
    new S3Client({ region: "eu-central-1", credentials, ...options });

  it("needs neither network nor server", async () => {
    using client = offline();
    const url = new URL(await client.file("s3://bucket/a b").presign({ expiresIn: 604_800 }));
    assertEquals(url.host, "bucket.s3.eu-central-1.amazonaws.com");
    assertEquals(url.pathname, "/a%20b");
    assertEquals(url.searchParams.get("X-Amz-Expires"), "604800");
    assertStringIncludes(url.searchParams.get("X-Amz-Credential") ?? "", "/eu-central-1/s3/");
    using other = offline({ endpoint: "http://127.0.0.1:1/base" });
    assertStringIncludes(
      await other.file("s3://bucket/key").presign(),
      "http://127.0.0.1:1/base/bucket/key?",
    );
  });

  it("carries the token of a session", async () => {
    using client = offline({ credentials: { ...credentials, sessionToken: "to/ken+=" } });
    const url = new URL(await client.file("s3://bucket/key").presign());
    assertEquals(url.searchParams.get("X-Amz-Security-Token"), "to/ken+=");
  });

  it("promises no more than temporary credentials", async () => {
    const expiration = new Date(Date.now() + 600_000);
    using client = offline({
      credentials: () => ({ ...credentials, sessionToken: "token", expiration }),
    });
    const file = client.file("s3://bucket/key");
    const seconds = async (options: PresignOptions) =>
      Number(new URL(await file.presign(options)).searchParams.get("X-Amz-Expires"));
    assert(await seconds({}) > 500 && await seconds({}) <= 600);
    assertEquals(await seconds({ expiresIn: 60 }), 60);
    const error = await assertRejects(() => file.presign({ expiresIn: 3600 }), InvalidInputError);
    assertStringIncludes(error.message, "the credentials end in");
    assertStringIncludes(error.message, "pass an expiresIn of 5");
  });

  it("tells when there are no credentials", async () => {
    using client = offline({
      credentials: () => {
        throw new Error("the vault is closed");
      },
    });
    const error = await assertRejects(
      () => client.file("s3://bucket/key").presign(),
      CredentialsError,
    );
    assertStringIncludes(error.message, "the vault is closed");
  });

  it("names the version of the handle, or that of the option", async () => {
    using client = offline();
    const file = client.file("s3://bucket/key", { versionId: "v1" });
    const version = async (options: PresignOptions) =>
      new URL(await file.presign(options)).searchParams.get("versionId");
    assertEquals(await version({}), "v1");
    assertEquals(await version({ versionId: "v2", method: "DELETE" }), "v2");
    await assertRejects(() => file.presign({ method: "PUT" }), InvalidInputError, "version");
  });

  it("refuses what cannot be meant, before anything is signed", async () => {
    using client = offline();
    const file = client.file("s3://bucket/key");
    const wrong: [options: unknown, says: string][] = [
      [{ expiresIn: 0 }, "expiresIn"],
      [{ expiresIn: -1 }, "expiresIn"],
      [{ expiresIn: 1.5 }, "expiresIn"],
      [{ expiresIn: NaN }, "expiresIn"],
      [{ expiresIn: "60" }, "expiresIn"],
      [{ expiresIn: 604_801 }, "seven days"],
      [{ expires: 60 }, "no option expires"],
      [{ method: "get" }, "method"],
      [{ method: "POST" }, "method"],
      [{ contentType: "text/csv" }, "contentType"],
      [{ method: "DELETE", contentType: "text/csv" }, "contentType"],
      [{ method: "PUT", contentType: "a\nb" }, "contentType"],
      [{ method: "PUT", contentType: "" }, "contentType"],
      [{ method: "PUT", contentLength: -1 }, "contentLength"],
      [{ method: "PUT", contentLength: 6 * 1024 ** 3 }, "contentLength"],
      [{ method: "PUT", responseContentType: "text/csv" }, "responseContentType"],
      [{ method: "DELETE", responseExpires: new Date() }, "responseExpires"],
      [{ responseContentDisposition: `attachment; filename="ü"` }, "ASCII"],
      [{ responseExpires: new Date(NaN) }, "responseExpires"],
      [{ responseExpires: 5 }, "responseExpires"],
      [{ signal: 5 }, "signal"],
      [5, "options"],
    ];
    for (const [options, says] of wrong) {
      const error = await assertRejects(
        () => file.presign(options as PresignOptions),
        InvalidInputError,
        says,
        JSON.stringify(options),
      );
      assertEquals(error.operation, "presign");
    }
    await assertRejects(() => file.slice(1).presign(), InvalidInputError, "slice");
  });

  it("refuses keys that no URL can name", async () => {
    using client = offline();
    for (const key of [".", "..", "../x", "a/../b", "a/."]) {
      const file = client.file({ bucket: "bucket", key });
      await assertRejects(() => file.presign(), UnsupportedError, "no URL", key);
    }
  });

  it("refuses an anonymous client", async () => {
    using client = offline({ credentials: "anonymous" });
    await assertRejects(
      () => client.file("s3://bucket/key").presign(),
      InvalidInputError,
      "anonymous",
    );
  });

  it("ends with its signal", async () => {
    using client = offline();
    const reason = new Error("enough");
    const ended = client.file("s3://bucket/key").presign({ signal: AbortSignal.abort(reason) });
    assertEquals(await ended.catch((error) => error), reason);
  });
});
