// One configured way to S3 and elsewhere: the native client behind `S3Client`, made at the first
// call. Web addresses and files go through it too: its timeouts, proxies, certificates and memory
// budget hold for them.

import { InternalError, InvalidInputError } from "../ffi/errors.ts";
import { library, libraryNeeds } from "../ffi/library.ts";
import { forgetLogger, nameLogger } from "../ffi/log_records.ts";
import { ensure, isGranted, missingFlags, type Need, permissionError } from "../ffi/permissions.ts";
import type { NativeBatches } from "../ffi/native_batches.ts";
import type { NativeStream } from "../ffi/native_stream.ts";
import { nameFunction } from "../ffi/program_functions.ts";
import type { NativeUpload } from "../ffi/native_upload.ts";
import { type Completed, queueHandle, submit, type SubmitOptions } from "../ffi/queue.ts";
import { readablePath } from "../ffi/readable_path.ts";
import type {
  CaBundleMessage,
  ClientHandle,
  ClientRequest,
  QueueHandle,
  Request,
  SourceMessage,
  StreamHandle,
  Submission,
  UploadHandle,
} from "../ffi/symbols.ts";
import type { Location } from "./location.ts";
import { type CaBundle, caBundleOf, readBundle } from "./ca_bundle.ts";
import { toLogger } from "./checked_logger.ts";
import { type CheckedOptions, checkEndpoint } from "./checked_options.ts";
import { lookAround, type Surroundings } from "./surroundings.ts";

/** What an operation is about, for permissions and messages. */
export interface Subject {
  operation: string;
  /** As it may be shown. */
  uri?: string | undefined;
  bucket?: string | undefined;
}

/** An object to read. */
export interface ReadSubject {
  operation: string;
  /** As it may be shown. */
  uri: string;
  location: Location;
  versionId?: string | undefined;
  /** The base64 of the key that the server decrypts it with. */
  customerKey?: string | undefined;
  /** The size in bytes, where a listing told it. */
  size?: number | undefined;
}

/** What a request for an object holds. */
export interface Reached {
  client: ClientHandle;
  source: SourceMessage;
}

/** How a host is reached. */
interface Way {
  readonly host: string | undefined;
  /** By TLS. */
  readonly encrypted: boolean;
  readonly needs: readonly Need[];
}

/** What was asked and granted for one operation, or for one batch of reads. */
export class Grants {
  /** Hosts that the operation may reach, as `name:port`. */
  readonly hosts: Set<string> = new Set();
  /** Whether one of them is reached by TLS. */
  encrypted = false;
  /** The flags that are missing, by bucket or host: nobody is asked twice. */
  readonly #asked = new Map<string, readonly string[]>();

  /**
   * Asks for a host once.
   *
   * @throws {PermissionError} Naming every missing flag.
   */
  admit(place: string, subject: Subject, way: () => Way): void {
    let missing = this.#asked.get(place);
    if (missing === undefined) {
      const { host: found, encrypted, needs } = way();
      this.encrypted ||= encrypted;
      missing = missingFlags([...libraryNeeds(), ...needs]);
      this.#asked.set(place, missing);
      if (found !== undefined && missing.length === 0) this.hosts.add(found);
    }
    if (missing.length > 0) throw permissionError(subject.operation, missing, subject.uri);
  }
}

const encoder = new TextEncoder();

/** Lets the native side look again, when credentials have ended or could not be had. */
const LOOK = nameFunction(lookAround);

/** A client's options and, from the first call on, its native half. */
export class Connection {
  readonly options: CheckedOptions;
  #surroundings: Surroundings | undefined;
  #named: { bundle: CaBundle | undefined } | undefined;
  #handle: ClientHandle | undefined;
  /** Made before it was known that certificates of the surroundings are needed. */
  readonly #earlier: ClientHandle[] = [];
  /** Whether the client trusts those. */
  #trusts = false;
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
   * @param more What it needs beside the host.
   * @throws {PermissionError} Naming every missing flag.
   * @throws {InvalidInputError} When the client was disposed.
   */
  async run(
    subject: Subject,
    request: (client: ClientHandle) => Request,
    options: SubmitOptions = {},
    more: readonly Need[] = [],
  ): Promise<Completed> {
    options.signal?.throwIfAborted();
    const host = this.ensure(subject, more);
    const client = this.#client(subject, this.#isEncrypted(subject.operation));
    const granted = host === undefined ? [] : [host];
    return await this.#submit(subject, { granted, request: request(client) }, options);
  }

  /**
   * Runs an operation that reaches no host by itself. Where credentials have to be fetched, the
   * native side asks for the host that gives them.
   *
   * @param granted Hosts that were granted for it, as `name:port`.
   * @throws {PermissionError} Naming every missing flag.
   * @throws {InvalidInputError} When the client was disposed.
   */
  async runHere(
    subject: Subject,
    request: (client: ClientHandle) => Request,
    options: SubmitOptions = {},
    granted: readonly string[] = [],
  ): Promise<Completed> {
    options.signal?.throwIfAborted();
    ensure(subject.operation, libraryNeeds(), subject.uri);
    const client = this.#client(subject, false);
    return await this.#submit(
      subject,
      { granted: [...granted], request: request(client) },
      options,
    );
  }

  /**
   * Opens an upload, to S3.
   *
   * @throws {PermissionError} Naming every missing flag.
   * @throws {InvalidInputError} When the client was disposed.
   */
  async openUpload(
    subject: Subject,
    request: (client: ClientHandle) => Request,
    options: SubmitOptions = {},
  ): Promise<NativeUpload> {
    const { value } = await this.run(subject, request, options);
    const host = this.#host(subject);
    return new (await import("../ffi/native_upload.ts")).NativeUpload(
      value as UploadHandle,
      host === undefined ? [] : [host],
    );
  }

  /**
   * Reads from an object of any scheme.
   *
   * @throws {PermissionError} Naming every missing flag.
   * @throws {InvalidInputError} When the client was disposed.
   */
  async read(
    subject: ReadSubject,
    request: (reached: Reached) => Request,
    options: SubmitOptions = {},
    grants: Grants = new Grants(),
  ): Promise<Completed> {
    options.signal?.throwIfAborted();
    const source = this.admit(subject, grants);
    const client = this.#client(subject, grants.encrypted);
    return await this.#submit(
      subject,
      { granted: [...grants.hosts], request: request({ client, source }) },
      options,
    );
  }

  /**
   * Opens an object for reading in order.
   *
   * @throws {PermissionError} Naming every missing flag.
   */
  async open(
    subject: ReadSubject,
    request: (reached: Reached) => Request,
    options: SubmitOptions = {},
  ): Promise<{ stream: NativeStream; opened: Completed }> {
    const grants = new Grants();
    const opened = await this.read(subject, request, options, grants);
    return {
      stream: new (await import("../ffi/native_stream.ts")).NativeStream(
        opened.value as StreamHandle,
        [...grants.hosts],
      ),
      opened,
    };
  }

  /**
   * Opens an object, or several as one, that are read as batches of columns.
   *
   * @throws {PermissionError} Naming every missing flag.
   */
  async openBatches(
    subject: ReadSubject,
    request: (reached: Reached, others: SourceMessage[]) => Request,
    options: SubmitOptions,
    others: readonly ReadSubject[] = [],
  ): Promise<{ stream: NativeBatches; opened: Completed }> {
    const grants = new Grants();
    const sources = others.map((other) => this.admit(other, grants));
    const [opened, { NativeBatches }] = await Promise.all([
      this.read(subject, (reached) => request(reached, sources), options, grants),
      import("../ffi/native_batches.ts"),
    ]);
    const stream = new NativeBatches(opened.value as StreamHandle, [...grants.hosts]);
    return { stream, opened };
  }

  /**
   * Reads many objects at once. Each was admitted before.
   *
   * @throws {InvalidInputError} When the client was disposed.
   */
  async readMany(
    operation: string,
    grants: Grants,
    request: (client: ClientHandle) => Request,
    options: SubmitOptions,
  ): Promise<Completed> {
    const client = this.#client({ operation }, grants.encrypted);
    return await this.#submit(
      { operation },
      { granted: [...grants.hosts], request: request(client) },
      options,
    );
  }

  /**
   * Sees to it that an object may be read, and tells what the native side needs to know of it.
   *
   * @throws {PermissionError} Naming every missing flag.
   */
  admit(subject: ReadSubject, grants: Grants): SourceMessage {
    const { operation, uri, location } = subject;
    switch (location.scheme) {
      case "s3": {
        const { bucket, key } = location;
        const { versionId, size, customerKey } = subject;
        grants.admit(bucket, subject, () => this.#way({ operation, bucket }));
        // Not through a list of properties: this runs for each of tens of thousands of objects.
        const source: SourceMessage = { scheme: "s3", bucket, key };
        if (versionId !== undefined) source.versionId = versionId;
        if (size !== undefined) source.size = size;
        if (customerKey !== undefined) source.customerKey = customerKey;
        return source;
      }
      case "http": {
        const url = new URL(location.url);
        const host = hostOf(url);
        // A colon is in no bucket's name.
        const encrypted = url.protocol === "https:";
        grants.admit(`${host}${encrypted ? "" : " plain"}`, subject, () => ({
          host,
          encrypted,
          needs: [...needsOf(host), ...this.#trustNeeds(encrypted)],
        }));
        return { scheme: "http", url: location.url };
      }
      case "file": {
        const { path } = location;
        ensure(operation, [...libraryNeeds(), { name: "read", path }], uri);
        return { scheme: "file", path: readablePath(path, operation, uri) };
      }
    }
  }

  /** Why nothing goes through this client any more, if nothing does. */
  gone(subject: Subject): InvalidInputError | undefined {
    return this.#closed ? this.#goneError(subject) : undefined;
  }

  /**
   * Sees to it that an operation may run, and tells the host that it reaches first. `more` is what
   * else it needs.
   *
   * @throws {PermissionError} Naming every missing flag.
   */
  ensure(subject: Subject, more: readonly Need[] = []): string | undefined {
    const { host, needs } = this.#way(subject);
    ensure(subject.operation, [...libraryNeeds(), ...needs, ...more], subject.uri);
    return host;
  }

  /** What an operation needs to reach its host. */
  hostNeeds(subject: Subject): readonly Need[] {
    return this.#way(subject).needs;
  }

  #way(subject: Subject): Way {
    const host = this.#host(subject);
    const encrypted = this.#isEncrypted(subject.operation);
    return { host, encrypted, needs: [...needsOf(host), ...this.#trustNeeds(encrypted)] };
  }

  #isEncrypted(operation: string): boolean {
    const endpoint = this.options.endpoint ?? this.#endpointFromEnvironment(operation);
    return endpoint?.protocol !== "http:";
  }

  /** What has to be read before TLS is spoken. */
  #trustNeeds(encrypted: boolean): Need[] {
    const bundle = encrypted ? this.#bundle() : undefined;
    return bundle === undefined ? [] : [{ name: "read", path: bundle.path }];
  }

  /** The certificates that the surroundings name, unless the options do. */
  #bundle(): CaBundle | undefined {
    if (this.options.caCertificates !== undefined) return undefined;
    const surroundings = this.#look();
    this.#named ??= { bundle: caBundleOf(surroundings, this.options.profile) };
    return this.#named.bundle;
  }

  async #submit(
    subject: Subject,
    submission: Submission,
    options: SubmitOptions,
  ): Promise<Completed> {
    const { operation } = subject;
    const onCancelled = (): InvalidInputError => this.#goneError(subject);
    try {
      return await submit(submission, { ...options, operation, onCancelled });
    } catch (error) {
      // The client was disposed before the turn ended, at which requests go down.
      const gone = this.#closed && error instanceof InternalError && error.code === "StaleHandle";
      throw gone ? this.#goneError(subject) : error;
    }
  }

  /** Ends the client's operations and forgets its credentials. Twice is harmless. */
  close(): void {
    this.#closed = true;
    this.#surroundings = undefined;
    this.#named = undefined;
    this.options.credentials?.forget();
    const handles = this.#handle === undefined ? [] : [this.#handle];
    this.#handle = undefined;
    for (const handle of [...this.#earlier.splice(0), ...handles]) {
      library().native.clientRelease(handle);
    }
  }

  #client(subject: Subject, encrypted: boolean): ClientHandle {
    if (this.#closed) throw this.#goneError(subject);
    const bundle = encrypted && !this.#trusts ? this.#bundle() : undefined;
    if (bundle !== undefined) {
      // What is under way with the client without it goes on.
      if (this.#handle !== undefined) this.#earlier.push(this.#handle);
      this.#handle = undefined;
      this.#handle = this.#make({ ...bundle, text: readBundle(bundle, subject.operation) });
      this.#trusts = true;
    }
    return this.#handle ??= this.#make(this.#bundleByChance());
  }

  /**
   * The certificates where nothing says that they are needed: credentials may be fetched by TLS. What
   * cannot be read is asked for once it is needed.
   */
  #bundleByChance(): CaBundleMessage | undefined {
    const bundle = this.#bundle();
    if (bundle === undefined || !isGranted({ name: "read", path: bundle.path })) return undefined;
    try {
      const text = readBundle(bundle, "");
      this.#trusts = true;
      return { ...bundle, text };
    } catch {
      return undefined;
    }
  }

  #make(caBundle: CaBundleMessage | undefined): ClientHandle {
    const queue = queueHandle();
    const request = { ...this.#request(), ...defined({ caBundle }) };
    const { logger, logLevel: level = "debug" } = this.options;
    if (logger === undefined) return clientNew(queue, request);
    const id = nameLogger(toLogger(logger));
    try {
      return clientNew(queue, { ...request, logger: { id, level } });
    } catch (error) {
      forgetLogger(id);
      throw error;
    }
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
        connections: this.options.connections,
        partSize: this.options.partSize,
        transport: this.options.transport,
        checksums: this.options.checksums,
        dualStack: this.options.dualStack,
        fips: this.options.fips,
        accelerate: this.options.accelerate,
        requesterPays: this.options.requesterPays,
      }),
      credentials: credentials?.message() ?? { kind: "chain" },
      surroundings: this.#look(),
      look: LOOK,
    };
  }

  /**
   * The host and port that an operation reaches first, as far as it is known here. The native
   * side asks before it reaches any other.
   */
  #host({ operation, bucket }: Subject): string | undefined {
    // An access point has a host of its own, and so has a directory bucket.
    if (bucket !== undefined && (bucket.startsWith("arn:") || bucket.endsWith("--x-s3"))) {
      return undefined;
    }
    const endpoint = this.options.endpoint ?? this.#endpointFromEnvironment(operation);
    if (endpoint !== undefined) {
      const isAddress = /^[\d.]+$|^\[/.test(endpoint.hostname);
      const virtual = this.options.pathStyle === false && bucket !== undefined && !isAddress;
      return `${virtual ? `${bucket}.` : ""}${hostOf(endpoint)}`;
    }
    const { variables, files } = this.#look();
    const { dualStack, fips, accelerate } = this.options;
    const elsewhere = [variables["AWS_USE_DUALSTACK_ENDPOINT"], variables["AWS_USE_FIPS_ENDPOINT"]];
    if (dualStack || fips || accelerate || elsewhere.some((value) => value)) return undefined;
    const region = this.options.region ?? variables["AWS_REGION"];
    // A profile may say anything; dots go another way.
    if (region === undefined || bucket === undefined || bucket.includes(".")) return undefined;
    if (Object.keys(files).length > 0) return undefined;
    const place = this.options.pathStyle ? "" : `${bucket}.`;
    return `${place}s3.${region}.amazonaws.com:443`;
  }

  #endpointFromEnvironment(operation: string): URL | undefined {
    const { variables } = this.#look();
    if (/^true$/i.test(variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] ?? "")) return undefined;
    const given = variables["AWS_ENDPOINT_URL_S3"] ?? variables["AWS_ENDPOINT_URL"];
    return checkEndpoint(given, operation);
  }
}

function clientNew(queue: QueueHandle, request: ClientRequest): ClientHandle {
  return library().native.clientNew(queue, encoder.encode(JSON.stringify(request)));
}

function needsOf(host: string | undefined): Need[] {
  return host === undefined ? [] : [{ name: "net", host }];
}

/** A URL's host and port, as permissions name it. */
function hostOf(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`;
}

/** An object without the properties that are undefined. */
export function defined<T extends Record<string, unknown>>(
  object: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
