/** A Worker with an embedded server that it never stops. */
import { LocalS3 } from "../../../mod.ts";

/** What it is asked. */
export interface ToServer {
  /** Start a server, use it, and tell its port. */
  start?: boolean;
  /** Start a server and answer before it is there. */
  startAndSay?: boolean;
  /** End from within. */
  close?: boolean;
}

/** What it answers. */
export interface Serving {
  port: number;
  read: string;
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ToServer>) => Promise<void>;
  postMessage(answer: Serving): void;
  close(): void;
};

scope.onmessage = async ({ data }) => {
  if (data.start) {
    const server = await LocalS3.start();
    const client = server.client();
    await client.createBucket("bucket");
    const file = client.file("s3://bucket/object");
    await file.write("hello");
    scope.postMessage({ port: Number(new URL(server.endpoint).port), read: await file.text() });
  } else if (data.startAndSay) {
    const starting = LocalS3.start();
    scope.postMessage({ port: 0, read: "" });
    await starting;
  } else if (data.close) {
    scope.postMessage({ port: 0, read: "" });
    scope.close();
  }
};
