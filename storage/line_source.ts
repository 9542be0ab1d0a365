// What lines and messages are read from: objects, and sources that are no objects, such as a socket
// or standard input.

import { type Connection, defined, Grants, type ReadSubject } from "../client/connection.ts";
import { quoted } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import { libraryNeeds } from "../ffi/library.ts";
import { metricsFrom } from "../ffi/metrics.ts";
import { ensure, type Need } from "../ffi/permissions.ts";
import type { Completed } from "../ffi/queue.ts";
import { readablePath } from "../ffi/readable_path.ts";
import type {
  FeedMessage,
  OpenedLinesMessage,
  Request,
  SpanMessage,
  StreamHandle,
} from "../ffi/symbols.ts";
import type { LinesOrigin, OpenedLines } from "../bridges/batches.ts";
import type { Cutting } from "../bridges/checked_lines.ts";
import { topicSource } from "./topic_source.ts";

/** A part of an object, as a read finds it out. */
export interface Part {
  readonly span: SpanMessage;
  readonly ifMatch: string | undefined;
}

/** The origin of an object's lines. */
export function objectOrigin(
  connection: Connection,
  subject: ReadSubject,
  cutting: Cutting,
  part: (signal: AbortSignal) => Promise<Part>,
): LinesOrigin {
  return {
    uri: subject.uri,
    async open(signal) {
      const { span, ifMatch } = await part(signal);
      const grants = new Grants();
      const opened = await connection.read(
        subject,
        ({ client, source }) => {
          const feed: FeedMessage = { kind: "object", source, span, ...defined({ ifMatch }) };
          return { operation: "openLines", client, feed, ...requested(cutting) };
        },
        { signal },
        grants,
      );
      return await openedLines(opened, [...grants.hosts], subject.operation);
    },
    gone: () => connection.gone(subject),
  };
}

/** A source that is no object, as its URI names it. */
export interface OtherSource {
  /** As errors name it. */
  readonly uri: string;
  readonly needs: readonly Need[];
  /** Hosts that are reached, as `name:port`. */
  readonly hosts: readonly string[];
  /** Whether it is a topic, which has options of its own. */
  readonly isTopic?: boolean;
  feed(operation: string, cutting: Cutting): FeedMessage;
}

/** The origin of the lines of a source that is no object. */
export function otherOrigin(
  connection: Connection,
  source: OtherSource,
  operation: string,
  cutting: Cutting,
): LinesOrigin {
  const subject = { operation, uri: source.uri };
  return {
    uri: source.uri,
    async open(signal) {
      ensure(operation, [...libraryNeeds(), ...source.needs], source.uri);
      const feed = source.feed(operation, cutting);
      const opened = await connection.runHere(
        subject,
        (client): Request => ({ operation: "openLines", client, feed, ...requested(cutting) }),
        { signal },
        source.hosts,
      );
      return await openedLines(opened, source.hosts, operation);
    },
    gone: () => connection.gone(subject),
  };
}

function requested({ cut, content, compression, stallTimeout, progress }: Cutting) {
  return { cut, progress, ...defined({ content, compression, stallTimeout }) };
}

async function openedLines(
  opened: Completed,
  hosts: readonly string[],
  operation: string,
): Promise<OpenedLines> {
  const { NativeLines } = await import("../ffi/native_lines.ts");
  const { value, extent, payload } = opened;
  const { ahead, metrics } = payload as OpenedLinesMessage;
  return {
    lines: new NativeLines(value as StreamHandle, hosts, operation, ahead),
    total: extent >= 0 ? extent : undefined,
    metrics: metricsFrom(metrics),
  };
}

/**
 * A source that is no object: `tcp://host:port`, `unix:///path`, `kafka://host:port/topic`, or `-`
 * for standard input.
 * `undefined` for what may name an object.
 *
 * @throws {InvalidInputError} When it is written wrongly.
 */
export function otherSource(source: unknown, operation: string): OtherSource | undefined {
  const text = source instanceof URL ? source.href : source;
  if (text === "-") return STANDARD_INPUT;
  if (typeof text !== "string") return undefined;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === "tcp") return tcpSource(text, operation);
  if (scheme === "unix") return unixSource(text, operation);
  if (scheme === "kafka") return topicSource(text, operation);
  return undefined;
}

const STANDARD_INPUT: OtherSource = {
  uri: "-",
  needs: [],
  hosts: [],
  feed: () => ({ kind: "standardInput" }),
};

function tcpSource(text: string, operation: string): OtherSource {
  const url = URL.parse(text);
  const fits = url !== null && /^tcp:\/\//i.test(text) && url.hostname !== "" && url.port !== "" &&
    url.username === "" && url.password === "" && ["", "/"].includes(url.pathname) &&
    url.search === "" && url.hash === "" && Number(url.port) > 0;
  // What stands before an @ may be a password.
  const shown = quoted(text.replace(/\/\/.*@/s, "//\u2026@"));
  if (!fits) {
    const hint = "write it as tcp://host:port, with [ ] around an IPv6 address";
    throw invalidInput(operation, `${shown} names no host and port`, hint);
  }
  const { hostname, port } = url;
  let host: string;
  try {
    host = decodeURIComponent(hostname);
  } catch {
    host = hostname;
  }
  if (!/^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/.test(host)) {
    throw invalidInput(operation, `${shown} names no host`, "write it as tcp://host:port");
  }
  const place = `${host}:${port}`;
  return {
    uri: `tcp://${place}`,
    needs: [{ name: "net", host: place }],
    hosts: [place],
    feed: () => ({ kind: "tcp", host: host.replace(/^\[|\]$/g, ""), port: Number(port) }),
  };
}

function unixSource(text: string, operation: string): OtherSource {
  const refused = (what: string) =>
    invalidInput(operation, `${quoted(text)} ${what}`, "write it as unix:///folder/name");
  const written = /^unix:\/\/(\/.*)$/is.exec(text)?.[1];
  if (written === undefined) throw refused("names no path");
  let path: string;
  try {
    path = decodeURIComponent(written);
  } catch {
    throw refused("holds broken percent-encoding");
  }
  if (path.includes("\0") || !path.isWellFormed() || path.endsWith("/")) {
    throw refused("names no socket");
  }
  const uri = `unix://${path}`;
  return {
    uri,
    needs: [{ name: "read", path }, { name: "write", path }],
    hosts: [],
    feed: (operation) => ({ kind: "unix", path: readablePath(path, operation, uri) }),
  };
}
