/** A way to a server that stops carrying bytes after so many, and stays open: what is in the middle stays there. */

/** How many bytes pass before nothing does, over all connections. */
export interface Limits {
  /** From the server. */
  down?: number;
  /** To the server. */
  up?: number;
}

/** A proxy on 127.0.0.1 and a free port. */
export class StallingProxy implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #work = new Set<Promise<void>>();
  readonly #stalled = Promise.withResolvers<void>();

  /** A proxy to a server, such as `http://127.0.0.1:9000`. */
  constructor(endpoint: string, { down = Infinity, up = Infinity }: Limits) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { hostname, port } = new URL(endpoint);
    const left = { down, up };
    const carry = async (from: Deno.TcpConn, to: Deno.TcpConn, way: "down" | "up") => {
      const room = new Uint8Array(65536);
      try {
        while (true) {
          const count = await from.read(room);
          if (count === null) break;
          const carried = Math.min(count, left[way]);
          left[way] -= carried;
          for (let at = 0; at < carried;) at += await to.write(room.subarray(at, carried));
          if (left[way] > 0) continue;
          this.#stalled.resolve();
          // Neither read nor closed: as a network that has gone.
          return;
        }
        await to.closeWrite();
      } catch {
        // One of the two has gone.
      }
    };
    this.#do(async () => {
      for await (const client of this.#listener) {
        this.#connections.add(client);
        const server = await Deno.connect({ hostname, port: Number(port) });
        this.#connections.add(server);
        this.#do(() => carry(client, server, "up"));
        this.#do(() => carry(server, client, "down"));
      }
    });
  }

  /** Where clients reach it. */
  get endpoint(): string {
    const { hostname, port } = this.#listener.addr;
    return `http://${hostname}:${port}`;
  }

  /** Settles when nothing passes any more. */
  get stalled(): Promise<void> {
    return this.#stalled.promise;
  }

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // Closed already.
      }
    }
    await Promise.all(this.#work);
  }

  #do(work: () => Promise<void>): void {
    const done = work().catch(() => {}).finally(() => this.#work.delete(done));
    this.#work.add(done);
  }
}
