/** toxiproxy as tests use it: a proxy each, told over HTTP how to spoil what passes it. */

/** Where tests talk to it; `undefined` when there is none. The test runner starts it. */
export const toxiproxy: string | undefined = Deno.env.get("DIPPER_TEST_TOXIPROXY_API");

/** What it does to connections, by the names that toxiproxy gives. */
export interface Toxic {
  type: "latency" | "bandwidth" | "limit_data" | "reset_peer" | "slicer" | "timeout";
  /** Down is from the server to the client. */
  stream?: "downstream" | "upstream";
  attributes: Record<string, number>;
}

/** A proxy before a server. */
export class Proxy implements AsyncDisposable {
  private constructor(readonly name: string, readonly endpoint: string) {}

  /** Makes a proxy before a server, such as `"http://127.0.0.1:9000"`. */
  static async before(server: string): Promise<Proxy> {
    const name = crypto.randomUUID();
    const upstream = new URL(server).host;
    const made = await tell("POST", "", { name, listen: "127.0.0.1:0", upstream, enabled: true });
    return new Proxy(name, `http://${(made as { listen: string }).listen}`);
  }

  /** Spoils what passes, from now on. */
  async add(toxic: Toxic): Promise<void> {
    await tell("POST", `/${this.name}/toxics`, { stream: "downstream", ...toxic });
  }

  /** Listens no more, and ends what is open; or listens again. */
  async set(enabled: boolean): Promise<void> {
    await tell("POST", `/${this.name}`, { enabled });
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await tell("DELETE", `/${this.name}`);
  }
}

async function tell(method: string, path: string, body?: unknown): Promise<unknown> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await fetch(`${toxiproxy}/proxies${path}`, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`toxiproxy refuses: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
