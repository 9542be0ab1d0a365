/**
 * Two servers, one suite: the embedded server and versitygw, which is not ours and checks signatures.
 * A suite that passes on both holds no private understanding between dipper and its own server.
 *
 * versitygw is started by the test runner, which tells its address in the environment. Where it is
 * missing, its half is skipped; the runner sees to it that this never happens on CI.
 */

import { LocalS3, memory, S3Client, type S3ClientOptions } from "dipper";
import type { SignedFor } from "./signed_request.ts";
import { afterAll, beforeAll, describe } from "@std/testing/bdd";

memory(); // Loads the library. Within a test, Deno would count that as a leak.

/** The ways that bodies take. */
export type Transport = "direct" | "sdk";

/** What a suite works with: a client and a bucket of its own. */
export interface Place {
  /** Which server it is. */
  readonly server: "LocalS3" | "versitygw";
  /** Which way bodies take. */
  readonly transport: Transport;
  /** A client of the server. */
  readonly client: S3Client;
  /** An empty bucket, made for the suite. */
  readonly bucket: string;
  /** A client with other options. */
  connect(options?: S3ClientOptions): S3Client;
  /** Where tests send requests that they sign themselves. */
  readonly signedFor: SignedFor;
  /** The URI of a key in the bucket. */
  uri(key: string): `s3://${string}`;
}

/** A bucket name that nobody has. */
export function bucketName(): string {
  return `test-${crypto.randomUUID()}`;
}

/** Runs a suite on both servers, each with its own bucket. */
export function onBothServers(title: string, suite: (at: () => Place) => void): void {
  onLocalS3(`${title}, on LocalS3`, "direct", suite);
  onVersitygw(`${title}, on versitygw`, "direct", suite);
}

/** Runs a suite on both servers, and on the embedded one a second time by the SDK's own path. */
export function everyWay(title: string, suite: (at: () => Place) => void): void {
  onBothServers(title, suite);
  onLocalS3(`${title}, through the SDK`, "sdk", suite);
}

function onLocalS3(title: string, transport: Transport, suite: (at: () => Place) => void): void {
  describe(title, () => {
    let server: LocalS3;
    let place: Place;
    beforeAll(async () => {
      server = await LocalS3.start();
      place = await furnish("LocalS3", transport, server, (options) => server.client(options));
    });
    afterAll(async () => {
      place.client.dispose();
      await server.stop();
    });
    suite(() => place);
  });
}

function onVersitygw(title: string, transport: Transport, suite: (at: () => Place) => void): void {
  const endpoint = Deno.env.get("DIPPER_TEST_VERSITYGW_ENDPOINT");
  describe(title, { ignore: endpoint === undefined }, () => {
    let place: Place;
    beforeAll(async () => {
      const connect = (options?: S3ClientOptions) => new S3Client({ ...gateway(), ...options });
      place = await furnish("versitygw", transport, gateway(), connect);
    });
    afterAll(() => place.client.dispose());
    suite(() => place);
  });
}

function gateway(): SignedFor {
  const told = (name: string): string => {
    const value = Deno.env.get(`DIPPER_TEST_VERSITYGW_${name}`);
    if (value === undefined) throw new Error(`DIPPER_TEST_VERSITYGW_${name} is not set`);
    return value;
  };
  return {
    endpoint: told("ENDPOINT"),
    region: told("REGION"),
    credentials: { accessKeyId: told("ACCESS_KEY"), secretAccessKey: told("SECRET_KEY") },
  };
}

async function furnish(
  server: Place["server"],
  transport: Transport,
  signedFor: SignedFor,
  open: (options?: S3ClientOptions) => S3Client,
): Promise<Place> {
  // The direct way is the default, and is tested as that.
  const connect = (options: S3ClientOptions = {}) =>
    open(transport === "direct" ? options : { transport, ...options });
  const client = connect();
  const bucket = bucketName();
  await client.createBucket(bucket);
  return {
    server,
    transport,
    client,
    bucket,
    connect,
    signedFor,
    uri: (key) => `s3://${bucket}/${key}`,
  };
}
