/** A Worker of `workers/` that answers one message at a time. */

export class WorkerThread<Question, Answer> {
  readonly #worker: Worker;

  constructor(program: string) {
    this.#worker = new Worker(new URL(`./workers/${program}`, import.meta.url), { type: "module" });
  }

  /** Asks, and waits for the answer. */
  ask(question: Question, transfer: Transferable[] = []): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => resolve(data as Answer);
      this.#worker.onmessageerror = () => reject(new Error("the answer cannot be read"));
      this.#worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
    this.#worker.postMessage(question, transfer);
    return answer;
  }

  /** Asks for something that makes the Worker throw, and waits until it did. */
  fails(question: Question): Promise<void> {
    const failed = new Promise<void>((resolve, reject) => {
      this.#worker.onmessage = () => reject(new Error("the Worker did not fail"));
      this.#worker.onerror = (event) => {
        event.preventDefault();
        resolve();
      };
    });
    this.#worker.postMessage(question);
    return failed;
  }

  /** Ends it, whatever it does. */
  terminate(): void {
    this.#worker.terminate();
  }
}
