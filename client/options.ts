// How a client behaves, and the checks of it.

import type { CredentialsOption } from "./credentials.ts";
import type { LogFunction, Logger, LogLevel } from "./logger.ts";

/**
 * How a client behaves. What is unset comes from the standard AWS chain: environment variables,
 * the profile in the shared configuration files, and the platform's credential services, each as
 * far as Deno's permissions allow.
 */
export interface S3ClientOptions {
  /** The region, such as `"eu-central-1"`. Default: the chain's, else `us-east-1`. */
  region?: string;
  /** The base URL of a server that is not AWS, such as `"http://127.0.0.1:9000"`. */
  endpoint?: string | URL;
  /** Bucket names in the path, not in the host name. Default: true when an endpoint is set. */
  pathStyle?: boolean;
  /** The profile in the shared configuration files. */
  profile?: string;
  /**
   * Credentials, a function that gives them and is called again before they expire, or a role to
   * assume; `"anonymous"` sends requests unsigned, for public data.
   */
  credentials?: CredentialsOption;
  /** AWS hosts that IPv6 reaches, too. Default: as the chain says, else false. */
  dualStack?: boolean;
  /** AWS hosts with validated cryptography (FIPS 140). Default: as the chain says, else false. */
  fips?: boolean;
  /** AWS hosts near the caller, for buckets with transfer acceleration. Default: false. */
  accelerate?: boolean;
  /** You pay for requests and transfers, where a bucket asks for that. Default: false. */
  requesterPays?: boolean;
  /**
   * Certificates in PEM form to trust beside the system's. Default: those in the file that
   * `AWS_CA_BUNDLE` names, or the profile's `ca_bundle`.
   */
  caCertificates?: string;
  /** How long to wait for a connection, in milliseconds. Default: 10,000. */
  connectTimeout?: number;
  /** How long to wait for the next bytes, in milliseconds. Default: 30,000. */
  stallTimeout?: number;
  /** How often to try again. Default: 3. */
  retries?: number;
  /** How many bytes this client may hold in flight and in `RustBuffer`s. Default: no own limit. */
  memoryBudget?: number;
  /**
   * How many connections to keep to one host at most, from 1 to 256. How many of them are used
   * follows the throughput. Default: what the engine finds best.
   */
  connections?: number;
  /**
   * How many bytes to ask for in one request, from 64 KiB to 5 GiB; larger objects are read in
   * parallel parts of this size. Default: what the engine finds best.
   */
  partSize?: number;
  /**
   * The way that bodies take. `"direct"` reads from the socket into the result; `"sdk"` takes the
   * AWS SDK's own path, which copies. Default: `"direct"`, where the answer allows it.
   */
  transport?: "direct" | "sdk";
  /**
   * How far bytes are verified against the checksums that the server tells. `"auto"` does what
   * needs no second pass, `"full"` also hashes in order (SHA-1, SHA-256), `"off"` verifies nothing
   * and sends no checksum with writes. Default: `"auto"`.
   */
  checksums?: "auto" | "full" | "off";
  /**
   * Who is told what the client does: `console` or the like, or a function of a
   * {@linkcode LogRecord}. It is called between the steps of operations, never holds them up, and
   * what it throws is dropped. Records hold no credential. Default: nobody.
   */
  logger?: Logger | LogFunction;
  /**
   * How much the logger is told. `"info"` is what happens seldom, `"debug"` every request as well,
   * `"trace"` also what the AWS SDK tells of itself. Default: `"debug"`.
   */
  logLevel?: LogLevel;
}
