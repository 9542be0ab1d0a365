// Where an error of dipper's points to.
//
// What the native side reports comes up through the queue, where nobody of the user's stands. So an
// error is located where its call awaits it: V8 then tells who awaits that, up to the user's line.
//
// A notebook prints the whole stack under the cell. There, only the lines of the user's own are left.

import { isActive } from "../jupyter/plugin.ts";

/** So many steps may lie between the queue and the user's line. */
const DEEP = 50;

/** dipper's own modules, and what the runtime has in between. */
const ROOT = new URL("..", import.meta.url).href;
const ROOMS = ["bridges", "client", "ffi", "jupyter", "storage", "table"].map((room) =>
  `${ROOT}${room}/`
);
const BETWEEN = [...ROOMS, "ext:", "node:"];

/** Makes an error point to whoever awaits the function that this is called in. */
export function locate(error: Error): void {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = DEEP;
  try {
    Error.captureStackTrace(error, locate);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  shorten(error);
}

/** In a notebook, leaves of a stack what is the user's. */
export function shorten(error: Error): void {
  if (!isActive()) return;
  const { stack = "", name, message } = error;
  const steps = stack.slice(stack.indexOf(message) + message.length).split("\n").slice(1);
  const own = steps.filter((step) => !BETWEEN.some((place) => step.includes(place)));
  const value = [`${name}: ${message}`, ...own].join("\n");
  Object.defineProperty(error, "stack", { configurable: true, writable: true, value });
}
