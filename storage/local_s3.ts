// The embedded S3 server: a real one, inside this process, for examples, tests and trying out.

import type { Credentials } from "../client/credentials.ts";
import type { S3ClientOptions } from "../client/options.ts";
import { defined } from "../client/connection.ts";
import { invalidInput } from "../ffi/errors.ts";
import { shownValue } from "../ffi/lent.ts";
import { libraryNeeds } from "../ffi/library.ts";
import { ensure, type Need } from "../ffi/permissions.ts";
import { stopServer, submit } from "../ffi/queue.ts";
import { JUPYTER_DISPLAY, type MediaBundle } from "../jupyter/media_bundle.ts";
import type { LocalS3Message, ServerHandle } from "../ffi/symbols.ts";
import { checkedCall } from "./call_options.ts";
import type { CallOptions } from "./read_options.ts";
import { S3Client } from "./s3_client.ts";

/** How to start an embedded server. */
export interface LocalS3Options extends CallOptions {
  /** Where it keeps its data. Default: a temporary directory that is removed at the end. */
  directory?: string;
  /** The port. Default: a free one. */
  port?: number;
}

/**
 * An S3 server inside this process, on 127.0.0.1, with random credentials that it checks. It needs
 * permission for the network of 127.0.0.1, and to read and write a directory that is given; the
 * temporary directory it makes for itself is private to it.
 *
 * @example
 * ```ts
 * await using s3 = await LocalS3.start();
 * const client = s3.client();
 * await client.createBucket("example");
 * await client.file("s3://example/hello.txt").write("hello");
 * ```
 */
export class LocalS3 implements AsyncDisposable {
  /** Where it listens, such as `"http://127.0.0.1:40321"`. */
  readonly endpoint: string;
  /** The region it claims to be in. */
  readonly region: string;
  readonly #credentials: Credentials;
  readonly #server: ServerHandle;
  #stopped: Promise<void> | undefined;
  /** The program ends, and nobody stopped the server. */
  readonly #onUnload = (): void => stopServer(this.#server);

  private constructor(server: ServerHandle, message: LocalS3Message) {
    this.#server = server;
    globalThis.addEventListener("unload", this.#onUnload);
    this.endpoint = message.endpoint;
    this.region = message.region;
    this.#credentials = {
      accessKeyId: message.accessKeyId,
      secretAccessKey: message.secretAccessKey,
    };
  }

  /**
   * Starts a server.
   *
   * @throws {InvalidInputError} When the directory cannot be used or the port is taken.
   * @throws {PermissionError} Naming every missing flag.
   */
  static async start(options: LocalS3Options = {}): Promise<LocalS3> {
    const { directory, port, signal } = checkedCall(options, "LocalS3.start", undefined, [
      "directory",
      "port",
    ]);
    signal?.throwIfAborted();
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65535)) {
      throw invalidInput(
        "LocalS3.start",
        `there is no port ${shownValue(port)}`,
        "pass 0 to 65535",
      );
    }
    if (directory !== undefined && (typeof directory !== "string" || directory === "")) {
      throw invalidInput("LocalS3.start", "directory is no path", "pass the path of a folder");
    }
    const needs: Need[] = [
      ...libraryNeeds(),
      { name: "net", host: port ? `127.0.0.1:${port}` : "127.0.0.1" },
    ];
    if (directory !== undefined) {
      needs.push({ name: "read", path: directory }, { name: "write", path: directory });
    }
    ensure("LocalS3.start", needs);
    const { value, payload } = await submit({
      granted: [],
      request: { operation: "startLocalS3", port: port ?? 0, ...defined({ directory }) },
    }, { signal });
    return new LocalS3(value as ServerHandle, payload as LocalS3Message);
  }

  /** The credentials that the server accepts. */
  get credentials(): { accessKeyId: string; secretAccessKey: string } {
    const { accessKeyId, secretAccessKey } = this.#credentials;
    return { accessKeyId, secretAccessKey };
  }

  /** A client of this server. */
  client(options: S3ClientOptions = {}): S3Client {
    return new S3Client({
      endpoint: this.endpoint,
      region: this.region,
      credentials: this.credentials,
      ...options,
    });
  }

  /** Stops the server and removes its temporary directory. Twice is harmless. */
  stop(): Promise<void> {
    globalThis.removeEventListener("unload", this.#onUnload);
    return this.#stopped ??= submit({
      granted: [],
      request: { operation: "stopLocalS3", server: this.#server },
    }).then(() => undefined);
  }

  /** Stops the server at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Shows in a notebook where it listens, without its credentials. */
  async [JUPYTER_DISPLAY](): Promise<MediaBundle> {
    const { showHandle } = await import("../jupyter/show_handle.ts");
    return showHandle({
      name: "LocalS3",
      label: "Endpoint",
      of: this.endpoint,
      facts: [
        { label: "Region", value: this.region },
        { label: "Credentials", value: "random ones, in its property credentials" },
        { label: "State", value: this.#stopped === undefined ? "running" : "stopped" },
      ],
      use: ["const client = s3.client()", "await s3.stop()"],
    });
  }

  /** Shows where it listens, without its credentials. */
  [Symbol.for("Deno.customInspect")](): string {
    return `LocalS3 { ${this.endpoint}${this.#stopped ? ", stopped" : ""} }`;
  }
}
