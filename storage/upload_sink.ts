// What a writer's chunks go into: an upload, opened with the first of them.

import type { Watched } from "../client/watched.ts";
import { type Metrics, metricsFrom } from "../ffi/metrics.ts";
import type { NativeUpload } from "../ffi/native_upload.ts";
import { bytesOf } from "./pieces.ts";
import { leave, reasonOf, teller, type WriterOptions } from "./pump.ts";

/** An upload under way. */
export class UploadSink {
  readonly #open: (signal: AbortSignal) => Promise<NativeUpload>;
  readonly #uri: string;
  readonly #options: WriterOptions;
  /** Ends what is under way. */
  readonly #ending: AbortSignal;
  readonly #told: ReturnType<typeof teller>;
  #upload: NativeUpload | undefined;
  #watching: Watched | undefined;

  constructor(
    open: (signal: AbortSignal) => Promise<NativeUpload>,
    uri: string,
    options: WriterOptions,
    ending: AbortSignal,
  ) {
    this.#open = open;
    this.#uri = uri;
    this.#options = options;
    this.#ending = ending;
    this.#told = teller((progress) => {
      this.#watching?.reached(progress);
      options.onProgress?.(progress);
    }, undefined);
  }

  /** Hands a chunk over. */
  async write(chunk: unknown): Promise<void> {
    await this.#attempt(async (upload) => {
      const bringing = { ...this.#submitting(), told: this.#told.now };
      await upload.write(bytesOf(chunk, this.#uri), bringing);
    });
  }

  /** Waits until all is there. Its end is told when everything about it is known. */
  async finish(): Promise<{ metrics: Metrics; tell(): void }> {
    return await this.#attempt(async (upload) => {
      const { metrics } = await upload.finish(this.#submitting());
      const tell = (): void => {
        this.#told.end(metrics);
        this.#watching?.end("done");
      };
      return { metrics: metricsFrom(metrics), tell };
    });
  }

  /** Leaves nothing of it. Twice is harmless. */
  async fail(reason: unknown): Promise<void> {
    this.#watching?.fail(reason);
    const upload = this.#upload;
    this.#upload = undefined;
    if (upload !== undefined) await leave(upload, undefined);
  }

  async #attempt<T>(work: (upload: NativeUpload) => Promise<T>): Promise<T> {
    try {
      if (this.#upload === undefined) this.#watching = this.#options.watch();
      this.#watching?.goOn();
      this.#upload ??= await this.#open(this.#ending);
      const result = await work(this.#upload);
      this.#watching?.rest();
      return result;
    } catch (error) {
      throw reasonOf(error, this.#options);
    }
  }

  #submitting() {
    const { operation, onCancelled } = this.#options;
    return { signal: this.#ending, operation, onCancelled };
  }
}
