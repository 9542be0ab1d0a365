// HTTPS: a certificate is trusted because the caller says so, and only then.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { memory, NetworkError, S3Client, type S3ClientOptions } from "dipper";
import { assertSameBytes, pattern } from "./bytes.ts";
import { makeCertificates } from "./certificates.ts";
import { within } from "./scripted_server.ts";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

const data = pattern(300_000, 4);
const credentials = { accessKeyId: "id", secretAccessKey: "secret" };

/** A server of one object, over TLS. */
function serve(certificate: string, key: string): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, cert: certificate, key, onListen() {} },
    () => new Response(data, { headers: { etag: '"one"', "x-amz-request-id": "TLS" } }),
  );
}

async function read(port: number, options: S3ClientOptions): Promise<Uint8Array> {
  const endpoint = options.endpoint ?? `https://127.0.0.1:${port}`;
  using client = new S3Client({ credentials, retries: 0, ...options, endpoint });
  return await within(10_000, client.file("s3://bucket/key").bytes());
}

describe("HTTPS", () => {
  it("with caCertificates brings the bytes, by address and by name", async () => {
    const { authority, certificate, key } = await makeCertificates();
    await using server = serve(certificate, key);
    const { port } = server.addr;
    const caCertificates = authority;
    assertSameBytes(await read(port, { caCertificates }), data);
    const endpoint = `https://localhost:${port}`;
    assertSameBytes(await read(port, { caCertificates, endpoint }), data);
    const both = `${(await makeCertificates()).authority}\n${authority}`;
    assertSameBytes(await read(port, { caCertificates: both }), data, "one of several");
  });

  it("by an authority that is not trusted is a NetworkError that says how to trust it", async () => {
    const { certificate, key } = await makeCertificates();
    const { authority: another } = await makeCertificates();
    await using server = serve(certificate, key);
    const { port } = server.addr;
    for (const options of [{}, { caCertificates: another }]) {
      const error = await assertRejects(() => read(port, options), NetworkError);
      assertEquals([error.code, error.retryable], ["TlsFailed", false]);
      assertStringIncludes(error.message, `https://127.0.0.1:${port}`);
      assertStringIncludes(error.message, "caCertificates");
    }
  });

  it("under a name that the certificate does not have is a NetworkError", async () => {
    const { authority, certificate, key } = await makeCertificates({ address: false });
    await using server = serve(certificate, key);
    const { port } = server.addr;
    const caCertificates = authority;
    const error = await assertRejects(() => read(port, { caCertificates }), NetworkError);
    assertEquals([error.code, error.retryable], ["TlsFailed", false]);
    assertStringIncludes(error.message, `https://127.0.0.1:${port}`);
    const endpoint = `https://localhost:${port}`;
    assertSameBytes(await read(port, { caCertificates, endpoint }), data, "under its name");
  });
});
