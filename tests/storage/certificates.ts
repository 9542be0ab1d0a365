/**
 * A certificate authority for one test, and a server's certificate signed by it. Made anew each time,
 * so that the repository holds no private key and nothing expires.
 *
 * The encoding is X.509 (RFC 5280) in DER, as little of it as TLS needs: ECDSA on P-256 with SHA-256,
 * a name, a time, the key, and the extensions that tell an authority from a server.
 */

/** What a server needs, and what its clients have to trust. */
export interface Certificates {
  /** The authority's certificate, PEM. */
  readonly authority: string;
  /** The server's certificate, PEM. */
  readonly certificate: string;
  /** The server's private key, PEM. */
  readonly key: string;
}

/**
 * Makes an authority and a server's certificate that is good for an hour: for `localhost`, for other
 * names that are given and, unless told otherwise, for the address 127.0.0.1.
 */
export async function makeCertificates(
  { address = true, names: others = [] }: { address?: boolean; names?: readonly string[] } = {},
): Promise<Certificates> {
  const [authority, server] = await Promise.all([makeKeys(), makeKeys()]);
  const name = nameOf(`dipper test authority ${crypto.randomUUID()}`);
  const authorityFlag = extension([0x55, 0x1d, 0x13], sequence(BOOLEAN_TRUE), true);
  const signsCertificates = extension([0x55, 0x1d, 0x0f], der(0x03, [0x02, 0x04]), true);
  const names = extension(
    [0x55, 0x1d, 0x11],
    sequence(
      der(0x82, ascii("localhost")),
      ...others.map((other) => der(0x82, ascii(other))),
      ...(address ? [der(0x87, [127, 0, 0, 1])] : []),
    ),
  );
  return {
    authority: pem(
      "CERTIFICATE",
      await signed(authority, name, name, authority, [authorityFlag, signsCertificates]),
    ),
    certificate: pem(
      "CERTIFICATE",
      await signed(authority, name, nameOf("localhost"), server, [names]),
    ),
    key: pem(
      "PRIVATE KEY",
      new Uint8Array(await crypto.subtle.exportKey("pkcs8", server.privateKey)),
    ),
  };
}

function makeKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
}

/** One element: a tag, a length, and what is in it. */
function der(tag: number, ...parts: (Uint8Array | number[])[]): Uint8Array<ArrayBuffer> {
  const body = parts.flatMap((part) => [...part]);
  const size = body.length;
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 255];
  return new Uint8Array([tag, ...length, ...body]);
}

const sequence = (...parts: Uint8Array[]): Uint8Array<ArrayBuffer> => der(0x30, ...parts);
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

const BOOLEAN_TRUE = der(0x01, [0xff]);
const ECDSA_WITH_SHA256 = sequence(der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]));

function extension(id: number[], value: Uint8Array, critical = false): Uint8Array {
  return sequence(der(0x06, id), ...(critical ? [BOOLEAN_TRUE] : []), der(0x04, value));
}

function nameOf(common: string): Uint8Array {
  return sequence(der(0x31, sequence(der(0x06, [0x55, 0x04, 0x03]), der(0x0c, ascii(common)))));
}

/** A whole number of 32 bytes: without needless zeros in front, and never negative. */
function integer(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const rest = bytes.subarray(start);
  return der(0x02, (rest[0] ?? 0) > 127 ? [0, ...rest] : [...rest]);
}

function time(milliseconds: number): Uint8Array {
  const digits = new Date(milliseconds).toISOString().replace(/\.\d+Z$|[-:T]/g, "");
  return der(0x18, ascii(`${digits}Z`));
}

async function signed(
  authority: CryptoKeyPair,
  issuer: Uint8Array,
  subject: Uint8Array,
  keys: CryptoKeyPair,
  extensions: Uint8Array[],
): Promise<Uint8Array> {
  const hour = 3_600_000;
  const content = sequence(
    der(0xa0, der(0x02, [2])),
    integer(crypto.getRandomValues(new Uint8Array(16))),
    ECDSA_WITH_SHA256,
    issuer,
    sequence(time(Date.now() - hour), time(Date.now() + hour)),
    subject,
    new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey)),
    der(0xa3, sequence(...extensions)),
  );
  const signature = new Uint8Array(
    await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, authority.privateKey, content),
  );
  const encoded = sequence(integer(signature.subarray(0, 32)), integer(signature.subarray(32)));
  return sequence(content, ECDSA_WITH_SHA256, der(0x03, [0], encoded));
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().replace(/.{64}/g, "$&\n").trim();
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
