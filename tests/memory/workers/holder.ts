/** A Worker that holds memory, makes it, and gives it back. */
import { memory, RustBuffer } from "../../../mod.ts";

/** What it is asked. */
export interface ToHolder {
  /** Hold this. */
  hold?: ArrayBuffer;
  /** Give back what was held. */
  giveBack?: boolean;
  /** Make and give a stamped buffer of so many bytes. */
  make?: number;
  /** Make and keep so many buffers. */
  keep?: { buffers: number; adopted: number; size: number };
  /** Tell what the process holds. */
  report?: boolean;
  /** End from within. */
  close?: boolean;
  /** End by an error. */
  fail?: boolean;
}

/** What it answers. */
export interface Holding {
  address?: bigint;
  size?: number;
  intact?: boolean;
  memory?: ArrayBuffer;
  report?: Record<string, number>;
}

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<ToHolder>) => void;
  postMessage(answer: Holding, transfer?: Transferable[]): void;
  close(): void;
};

const kept: unknown[] = [];
let holding: ArrayBuffer | undefined;

function addressOf(memory: ArrayBuffer): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
}

scope.onmessage = ({ data }) => {
  if (data.hold !== undefined) {
    holding = data.hold;
    const words = new Uint32Array(holding, 0, Math.floor(holding.byteLength / 4));
    const intact = words.every((word, at) => word === at);
    scope.postMessage({ address: addressOf(holding), size: holding.byteLength, intact });
  } else if (data.giveBack && holding !== undefined) {
    scope.postMessage({ memory: holding }, [holding]);
    holding = undefined;
  } else if (data.make !== undefined) {
    const made = new RustBuffer(data.make).adopt();
    new Uint32Array(made).forEach((_, at, words) => words[at] = at);
    scope.postMessage({ address: addressOf(made), memory: made }, [made]);
  } else if (data.keep !== undefined) {
    const { buffers, adopted, size } = data.keep;
    for (let i = 0; i < buffers; i++) kept.push(new RustBuffer(size));
    for (let i = 0; i < adopted; i++) kept.push(new RustBuffer(size).adopt());
    scope.postMessage({ size: kept.length });
  } else if (data.report) {
    const { bytes, buffers, adopted, operations, budget } = memory();
    scope.postMessage({ report: { bytes, buffers, adopted, operations, budget } });
  } else if (data.close) {
    scope.postMessage({});
    scope.close();
  } else if (data.fail) {
    throw new Error("as asked");
  }
};
