/**
 * An HTTP server that does what a test tells it, down to the bytes on the wire: it may stop in the
 * middle, stay silent, reset the connection, or answer nonsense. It keeps what it was asked.
 */

import { createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** One request, as it was read. */
export interface Asked {
  /** Such as `"GET"`. */
  readonly method: string;
  /** The path with its query. */
  readonly path: string;
  /** Headers, with lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** The body, as sent. */
  readonly body: Uint8Array;
}

/** The way back to whoever asked. */
export interface Reply {
  /** Sends bytes as they are. */
  send(data: string | Uint8Array): Promise<void>;
  /**
   * Sends a head and, except to a HEAD, a body; `Content-Length` is the body's unless the headers
   * say another.
   */
  answer(
    status: number,
    headers: Record<string, string>,
    body?: string | Uint8Array,
  ): Promise<void>;
  /** Ends the connection in an orderly way. */
  close(): void;
  /** Resets the connection. */
  reset(): void;
  /** Waits until the other side gives up or the server ends. */
  silence(): Promise<void>;
}

/** What the server does with the n-th request, counted from 0 over all connections. */
export type Script = (asked: Asked, reply: Reply, index: number) => Promise<void> | void;

/** A server on 127.0.0.1 and a free port. */
export class ScriptedServer implements AsyncDisposable {
  /** Such as `"http://127.0.0.1:4321"`. */
  readonly endpoint: string;
  /** All requests so far. */
  readonly asked: Asked[] = [];
  /** How many connections were made. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #running = new Set<Promise<void>>();

  private constructor(server: Server, script: Script) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.endpoint = `http://127.0.0.1:${port}`;
    server.on("connection", (socket) => {
      this.connections++;
      // Else the second piece of an answer waits for the first one's acknowledgement.
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      const run = this.#serve(socket, script).catch(() => void socket.destroy());
      this.#running.add(run);
      run.then(() => this.#running.delete(run));
    });
  }

  /** Starts a server. */
  static async start(script: Script): Promise<ScriptedServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ScriptedServer(server, script);
  }

  /** Ends all connections and the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const ends = [...this.#sockets].map((socket) => {
      const end = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      socket.destroy();
      return end;
    });
    await Promise.all([closed, ...ends, ...this.#running]);
  }

  async #serve(socket: Socket, script: Script): Promise<void> {
    const requests = readRequests(socket);
    for await (const asked of requests) {
      const index = this.asked.push(asked) - 1;
      await script(asked, replyOn(socket, asked.method === "HEAD"), index);
      if (socket.destroyed || socket.writableEnded) return;
    }
  }
}

function replyOn(socket: Socket, headOnly: boolean): Reply {
  const send = (data: string | Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      if (socket.destroyed || data.length === 0) resolve();
      else socket.write(data, () => resolve());
    });
  return {
    send,
    async answer(status, headers, body = "") {
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      await send(headOf(status, { "content-length": String(bytes.length), ...headers }));
      if (!headOnly) await send(bytes);
    },
    close: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    silence: () => new Promise((resolve) => socket.once("close", () => resolve())),
  };
}

/** The head of an answer. */
export function headOf(status: number, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${status} Status\r\n${lines}\r\n`;
}

async function* readRequests(socket: Socket): AsyncGenerator<Asked> {
  let held = new Uint8Array(0);
  const chunks: AsyncIterator<Uint8Array> = socket[Symbol.asyncIterator]();
  const more = async (): Promise<boolean> => {
    const { value, done } = await chunks.next();
    if (done) return false;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    return true;
  };
  while (true) {
    let text = "";
    let end = -1;
    while ((end = (text = latin1(held)).indexOf("\r\n\r\n")) === -1) {
      if (!await more()) return;
    }
    const [first = "", ...lines] = text.slice(0, end).split("\r\n");
    const [method = "", path = ""] = first.split(" ");
    const headers = new Map(lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }));
    const length = Number(headers.get("content-length") ?? 0);
    if (headers.get("expect") === "100-continue") socket.write("HTTP/1.1 100 Continue\r\n\r\n");
    while (held.length < end + 4 + length) if (!await more()) return;
    const body = held.slice(end + 4, end + 4 + length);
    held = held.slice(end + 4 + length);
    yield { method, path, headers, body };
  }
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

/** What an S3 server answers a GET or HEAD of an object, from a byte on. */
export interface ObjectAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
}

/** The sound answer for an object, with the range that was asked for; without a body for a HEAD. */
export function objectAnswer(
  asked: Asked,
  data: Uint8Array,
  more: Record<string, string> = {},
): ObjectAnswer {
  const range = /^bytes=(\d*)-(\d*)$/.exec(asked.headers.get("range") ?? "");
  const headers: Record<string, string> = {
    etag: '"one"',
    "accept-ranges": "bytes",
    "x-amz-request-id": "SCRIPTED",
    ...more,
  };
  if (range === null) {
    return {
      status: 200,
      headers: { ...headers, "content-length": String(data.length) },
      body: asked.method === "HEAD" ? new Uint8Array(0) : data,
    };
  }
  const [, from = "", to = ""] = range;
  const start = from === "" ? Math.max(0, data.length - Number(to)) : Number(from);
  const end = from === "" || to === "" ? data.length : Math.min(data.length, Number(to) + 1);
  const body = data.slice(start, end);
  return {
    status: 206,
    headers: {
      ...headers,
      "content-length": String(body.length),
      "content-range": `bytes ${start}-${end - 1}/${data.length}`,
    },
    body,
  };
}

/** Sends only the first bytes of an answer. */
export async function sendPart(reply: Reply, whole: ObjectAnswer, bytes: number): Promise<void> {
  await reply.send(headOf(whole.status, whole.headers));
  await reply.send(whole.body.subarray(0, bytes));
}

/** Sends all of an answer. */
export async function sendAll(reply: Reply, whole: ObjectAnswer): Promise<void> {
  await sendPart(reply, whole, whole.body.length);
}

/** Fails when a promise takes too long: nothing may hang. */
export async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not settled within ${milliseconds} ms`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
