// What is said of bytes without looking at what they hold: how many they are, where they lie and who
// owns them. Apart from `show_bytes.ts`, which reads contents of every kind and is only loaded when a
// notebook shows something, because the text that a terminal shows is asked for at once.

import { type Fact, plainFacts, plainParts, plainTitle } from "./plain_view.ts";
import { formatExactBytes } from "./quantities.ts";
import { shownUri } from "./redaction.ts";
import { cutMiddle } from "./visible_text.ts";

/** Bytes in memory, as {@linkcode showBytes} takes them. */
export interface BytesLike {
  /** The content. It is not looked at when the memory is gone. */
  readonly bytes: Uint8Array;
  /** Who owns the memory. */
  readonly state: "borrowed" | "adopted" | "unsafe" | "disposed" | "moved" | "detached";
  /** Where the memory lies, such as `0x7f2a4c000000`. */
  readonly address?: string;
  /** The class of the value, such as `RustBuffer` or `Uint8Array`; of many objects, the URI. */
  readonly className: string;
}

const OWNERSHIP: Record<BytesLike["state"], string> = {
  borrowed: "Rust owns the memory; dispose() ends every view",
  adopted: "JavaScript owns the memory; freed with its last holder",
  unsafe: "nothing keeps the memory alive; it dangles after dispose()",
  disposed: "the memory is released",
  moved: "adopt() gave the memory to an ArrayBuffer; this buffer is empty",
  detached: "the memory was transferred elsewhere, or released",
};

/** Where there is no memory any more. */
const GONE: readonly BytesLike["state"][] = ["disposed", "moved", "detached"];

/** So many bytes from the front are named in a terminal. */
const HEAD = 16;

/** The name and the facts of bytes; no size where there is no memory any more. */
export function bytesFacts(b: BytesLike): { name: string; facts: Fact[]; isGone: boolean } {
  const state: Fact = { label: "State", value: b.state, note: `(${OWNERSHIP[b.state]})` };
  const name = cutMiddle(shownUri(b.className), 200);
  const isGone = GONE.includes(b.state);
  if (isGone) return { name, facts: [state], isGone };
  const facts: Fact[] = [{ label: "Size", value: formatExactBytes(b.bytes.length) }];
  if (b.address !== undefined) facts.push({ label: "Address", value: b.address, code: true });
  facts.push(state);
  return { name, facts, isGone };
}

/** Bytes in a terminal: what is said of them, and the first ones in hexadecimal and as text. */
export function describeBytes(b: BytesLike): string {
  const { name, facts, isGone } = bytesFacts(b);
  if (!isGone && b.bytes.length > 0) {
    const head = b.bytes.subarray(0, HEAD);
    const hex = Array.from(head, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = Array.from(
      head,
      (byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".",
    );
    facts.push({ label: "Begins", value: hex, note: `|${text.join("")}|` });
  }
  return plainParts(plainTitle(name, isGone ? [b.state] : []), plainFacts(facts));
}
