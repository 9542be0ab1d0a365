/** A Worker that starts operations and never hears of their end. */
import { RustBuffer, S3Client, type S3ClientOptions } from "../../../mod.ts";

/** What it is asked. */
export interface ToStarter {
  options?: S3ClientOptions;
  /** What to start on the object `object`. */
  methods?: ("bytes" | "into" | "buffer" | "write" | "text")[];
  /** The object's size. */
  size?: number;
  /** End from within. */
  close?: boolean;
}

/** What it answers, once all is submitted. */
export type Started = "started";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ToStarter>) => void;
  postMessage(answer: Started): void;
  close(): void;
};

const kept: unknown[] = [];

scope.onmessage = ({ data }) => {
  if (data.close) {
    scope.postMessage("started");
    scope.close();
    return;
  }
  const { options, methods = [], size = 0 } = data;
  const client = new S3Client({ ...options, retries: 0 });
  methods.forEach((method, at) => {
    const file = client.file(`s3://bucket/object`);
    const started: Promise<unknown> = method === "into"
      ? file.into(new Uint8Array(size))
      : method === "write"
      ? client.file(`s3://bucket/written${at}`).write(new RustBuffer(size))
      : file[method]();
    kept.push(client, started.catch(() => {}));
  });
  // After the microtasks in which they are submitted.
  setTimeout(() => scope.postMessage("started"), 0);
};
