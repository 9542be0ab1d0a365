/**
 * What several steps of a test run share: servers and environments, made when first asked for and
 * ended with the run.
 *
 * @module
 */
import { chromiumProgram } from "./chromium.ts";
import { jupyterLabPython } from "./jupyterlab.ts";
import { moduleFlags } from "./ok.ts";
import { pythonEnvironment } from "./python_environment.ts";
import { sparkFiles } from "./spark_files.ts";
import { startFaults } from "./test_servers/faults.ts";
import { startKafka } from "./test_servers/kafka.ts";
import type { TestServer } from "./test_servers/test_server.ts";
import { startToxiproxy } from "./test_servers/toxiproxy.ts";
import { startVersitygw } from "./test_servers/versitygw.ts";

/** Made once for a run; disposing it ends what was started. */
export class TestSupplies implements AsyncDisposable {
  readonly #signal: AbortSignal;
  readonly #made = new Map<string, Promise<unknown>>();
  readonly #running = new AsyncDisposableStack();

  /** `signal` ends what is being made. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Flags that make the tests' imports resolve. */
  moduleFlags(): Promise<string[]> {
    return this.#once("flags", () => moduleFlags());
  }

  /** The path of the tests' Python. */
  python(): Promise<string> {
    return this.#once("python", () => pythonEnvironment({ signal: this.#limited() }));
  }

  /** The path of the Python that has JupyterLab. */
  jupyterLab(): Promise<string> {
    return this.#once("jupyterlab", () => jupyterLabPython({ signal: this.#limited() }));
  }

  /** The path of Chromium. */
  chromium(): Promise<string> {
    return this.#once("chromium", () => chromiumProgram({ signal: this.#limited() }));
  }

  /** The path of the jar with the Parquet files that Spark is tested with. */
  sparkFiles(): Promise<string> {
    return this.#once("spark files", () => sparkFiles({ signal: this.#limited() }));
  }

  /** The S3 server that is not ours. */
  versitygw(): Promise<TestServer> {
    return this.#server("versitygw", () => startVersitygw({ signal: this.#limited() }));
  }

  /** The S3 server that fails as it is told. */
  faults(): Promise<TestServer> {
    return this.#server("faults", () => startFaults({ signal: this.#limited() }));
  }

  /** The proxy that spoils connections. */
  toxiproxy(): Promise<TestServer> {
    return this.#server("toxiproxy", () => startToxiproxy({ signal: this.#limited() }));
  }

  /** The Kafka broker. */
  kafka(): Promise<TestServer> {
    return this.#server("kafka", () => startKafka({ signal: this.#limited() }));
  }

  /** Making one takes minutes at most, also beside what compiles, whichever step asked for it. */
  #limited(): AbortSignal {
    return AbortSignal.any([this.#signal, AbortSignal.timeout(25 * 60_000)]);
  }

  #server(name: string, start: () => Promise<TestServer>): Promise<TestServer> {
    return this.#once(name, async () => this.#running.use(await start()));
  }

  /** A failure is kept as well: what is missing is missing for every step. */
  #once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const made = this.#made.get(name) as Promise<T> | undefined ?? make();
    this.#made.set(name, made);
    return made;
  }

  /** Ends what was started. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync();
  }
}
