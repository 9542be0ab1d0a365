// One configured way to S3: the native client behind `S3Client`, made at the first call.

import { InvalidInputError } from "../ffi/errors.ts";
import { library, libraryNeeds } from "../ffi/library.ts";
import { ensure, type Need } from "../ffi/permissions.ts";
import { type Completed, queueHandle, submit, type SubmitOptions } from "../ffi/queue.ts";
import type { ClientHandle, ClientRequest, Request } from "../ffi/symbols.ts";
import { type CheckedOptions, checkEndpoint } from "./options.ts";
import { lookAround, type Surroundings } from "./surroundings.ts";

/** What an operation is about, for permissions and messages. */
export interface Subject {
  operation: string;
  uri?: string | undefined;
  bucket?: string | undefined;
}

const encoder = new TextEncoder();

/** A client's options and, from the first call on, its native half. */
export class Connection {
  readonly options: CheckedOptions;
  #surroundings: Surroundings | undefined;
  #handle: ClientHandle | undefined;
  #closed = false;

  constructor(options: CheckedOptions) {
    this.options = options;
  }

  /** Where requests go, as far as it is known without asking the native side. */
  get place(): string {
    return this.options.endpoint?.href ?? `AWS ${this.options.region ?? ""}`.trim();
  }

  /**
   * Runs an operation on this client.
   *
   * @throws {PermissionError} Naming every missing flag.
   * @throws {InvalidInputError} When the client was disposed.
   */
  async run(
    subject: Subject,
    request: (client: ClientHandle) => Request,
    options: SubmitOptions = {},
  ): Promise<Completed> {
    options.signal?.throwIfAborted();
    const host = this.ensure(subject);
    const client = this.#client(subject);
    return await submit(
      { granted: host === undefined ? [] : [host], request: request(client) },
      {
        ...options,
        operation: subject.operation,
        onCancelled: () => this.#goneError(subject),
      },
    );
  }

  /**
   * Sees to it that an operation may run, and tells the host that it reaches first.
   *
   * @throws {PermissionError} Naming every missing flag.
   */
  ensure(subject: Subject): string | undefined {
    const host = this.#host(subject);
    const needs: Need[] = host === undefined ? [] : [{ name: "net", host }];
    ensure(subject.operation, [...libraryNeeds(), ...needs], subject.uri);
    return host;
  }

  /** Ends the client's operations and forgets its credentials. Twice is harmless. */
  close(): void {
    this.#closed = true;
    this.#surroundings = undefined;
    if (this.#handle === undefined) return;
    library().native.clientRelease(this.#handle);
    this.#handle = undefined;
  }

  #client(subject: Subject): ClientHandle {
    if (this.#closed) throw this.#goneError(subject);
    return this.#handle ??= library().native.clientNew(
      queueHandle(),
      encoder.encode(JSON.stringify(this.#request())),
    );
  }

  #goneError({ operation, uri }: Subject): InvalidInputError {
    return new InvalidInputError(`${operation}: this S3Client was disposed`, {
      code: "ClientGone",
      operation,
      uri,
      hint: "make a new S3Client",
    });
  }

  #look(): Surroundings {
    return this.#surroundings ??= lookAround();
  }

  #request(): ClientRequest {
    const { credentials, endpoint } = this.options;
    return {
      ...defined({
        region: this.options.region,
        // With a slash at the end, behind which the bucket is put.
        endpoint: endpoint?.href.replace(/\/*$/, "/"),
        pathStyle: this.options.pathStyle,
        profile: this.options.profile,
        caCertificates: this.options.caCertificates,
        connectTimeout: this.options.connectTimeout,
        stallTimeout: this.options.stallTimeout,
        retries: this.options.retries,
        memoryBudget: this.options.memoryBudget,
      }),
      credentials: credentials === undefined
        ? { kind: "chain" }
        : credentials === "anonymous"
        ? { kind: "anonymous" }
        : { kind: "explicit", ...credentials },
      ...this.#look(),
    };
  }

  /**
   * The host and port that an operation reaches first, as far as it is known here. The native
   * side asks before it reaches any other.
   */
  #host({ operation, bucket }: Subject): string | undefined {
    const endpoint = this.options.endpoint ?? this.#endpointFromEnvironment(operation);
    if (endpoint !== undefined) {
      const port = endpoint.port || (endpoint.protocol === "https:" ? "443" : "80");
      const isAddress = /^[\d.]+$|^\[/.test(endpoint.hostname);
      const virtual = this.options.pathStyle === false && bucket !== undefined && !isAddress;
      return `${virtual ? `${bucket}.` : ""}${endpoint.hostname}:${port}`;
    }
    const { variables } = this.#look();
    const region = this.options.region ?? variables["AWS_REGION"];
    // A profile may say anything; dots and ARNs go other ways.
    if (region === undefined || bucket === undefined || /[.:]/.test(bucket)) return undefined;
    if (Object.keys(this.#look().files).length > 0) return undefined;
    const place = this.options.pathStyle ? "" : `${bucket}.`;
    return `${place}s3.${region}.amazonaws.com:443`;
  }

  #endpointFromEnvironment(operation: string): URL | undefined {
    const { variables } = this.#look();
    const given = variables["AWS_ENDPOINT_URL_S3"] ?? variables["AWS_ENDPOINT_URL"];
    return checkEndpoint(given, operation);
  }
}

/** An object without the properties that are undefined. */
export function defined<T extends Record<string, unknown>>(
  object: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
