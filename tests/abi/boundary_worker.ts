/** A Worker that works right at the boundary. */
import { InternalError } from "../../ffi/errors.ts";
import { library } from "../../ffi/library.ts";
import { queueHandle, submit } from "../../ffi/queue.ts";
import { RustBuffer } from "../../ffi/rust_buffer.ts";
import type { BufferHandle } from "../../ffi/symbols.ts";

interface Question {
  /** So many rounds of everything. */
  rounds?: number;
  /** Hold so many buffers without mapping them. */
  hold?: number;
  /** Tell the queue's handle, and that of a client. */
  name?: boolean;
  /** Submit so many operations and do not wait. */
  flood?: number;
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<Question>) => Promise<void>;
  postMessage(answer: Record<string, number>): void;
};

const nothing = { granted: [], request: { operation: "nothing" as const } };
const panic = { granted: [], request: { operation: "panic" as const } };

function refuses(call: () => unknown): number {
  try {
    call();
    return 0;
  } catch (error) {
    return error instanceof InternalError && error.code === "StaleHandle" ? 1 : 0;
  }
}

async function everything(rounds: number): Promise<Record<string, number>> {
  const { native } = library();
  const count = { done: 0, panics: 0, cancelled: 0, refused: 0, buffers: 0 };
  for (let round = 0; round < rounds; round++) {
    const controller = new AbortController();
    const { signal } = controller;
    const all = [
      ...Array.from({ length: 100 }, () => submit(nothing).then(() => void count.done++)),
      ...Array.from({ length: 10 }, () =>
        submit(panic).catch((error) => {
          if (error instanceof InternalError && error.operation === "panic") count.panics++;
        })),
      ...Array.from({ length: 10 }, () =>
        submit(nothing, { signal }).catch((reason) => {
          if (reason === signal.reason) count.cancelled++;
        })),
    ];
    controller.abort();
    for (let i = 0; i < 10; i++) {
      const stale = native.bufferNew(queueHandle(), 64);
      native.bufferRelease(stale);
      count.refused += refuses(() => native.bufferRelease(stale));
      count.refused += refuses(() => native.bufferAddress((i + 0.5) as BufferHandle));
    }
    for (let i = 0; i < 50; i++) {
      const buffer = new RustBuffer(64 + i);
      buffer.view().fill(i);
      if (buffer.toBytes().every((byte) => byte === i)) count.buffers++;
      buffer.dispose();
    }
    await Promise.all(all);
  }
  return count;
}

scope.onmessage = async ({ data }) => {
  const { native } = library();
  if (data.rounds !== undefined) {
    scope.postMessage(await everything(data.rounds));
  } else if (data.hold !== undefined) {
    const handles = Array.from({ length: data.hold }, () => native.bufferNew(queueHandle(), 64));
    scope.postMessage({ first: handles[0] ?? 0 });
  } else if (data.name) {
    const request = {
      credentials: { kind: "anonymous" },
      surroundings: { variables: {}, files: {}, skipped: [] },
      look: 1,
    };
    const client = native.clientNew(
      queueHandle(),
      new TextEncoder().encode(JSON.stringify(request)),
    );
    scope.postMessage({ queue: queueHandle(), client });
  } else if (data.flood !== undefined) {
    for (let i = 0; i < data.flood; i++) void submit(nothing);
    await null;
    scope.postMessage({});
  }
};
