// Topics of Kafka as sources of lines: `kafka://host:port/topic`.

import { quoted } from "../client/s3_uri.ts";
import { invalidInput } from "../ffi/errors.ts";
import { defined } from "../client/connection.ts";
import type { OtherSource } from "./line_source.ts";

const PORT = 9092;

/**
 * The source that a URI of a topic names.
 *
 * @throws {InvalidInputError} When it is written wrongly, and for `frames`.
 */
export function topicSource(text: string, operation: string): OtherSource {
  // What stands before an @ may be a password.
  const shown = quoted(text.replace(/\/\/.*@/s, "//\u2026@"));
  const refused = (what: string, hint = "write it as kafka://host:port/topic") =>
    invalidInput(operation, `${shown} ${what}`, hint);
  if (text.includes("@")) {
    throw refused("has credentials", "name a listener without SASL, and leave them away");
  }
  if (operation === "frames") {
    throw refused(
      "is a topic, whose records are messages already",
      'read them with lines(topic, { as: "bytes" })',
    );
  }
  const written = /^kafka:\/\/([^/?#]*)\/([^/?#]*)\/?$/i.exec(text);
  if (written === null) throw refused("names no broker and topic");
  const [, authority = "", topic = ""] = written;
  if (authority.includes(",")) {
    throw refused("names several brokers", "name one of them: it names the others");
  }
  const [, host = "", digits] =
    /^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?$/.exec(authority) ?? [];
  const port = digits === undefined ? PORT : Number(digits);
  if (host === "" || port < 1 || port > 65_535) throw refused("names no broker");
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(topic) || /^\.{1,2}$/.test(topic)) {
    throw refused(
      "names no topic",
      "names of topics have 1 to 249 letters, digits, dots, underscores and hyphens",
    );
  }
  const place = `${host}:${port}`;
  return {
    uri: `kafka://${place}/${topic}`,
    needs: [{ name: "net", host: place }],
    hosts: [place],
    isTopic: true,
    feed: (_, { cut, topic: options }) => ({
      kind: "topic",
      host: host.replace(/^\[|\]$/g, ""),
      port,
      topic,
      latest: options?.from === "latest",
      toTheEnd: options?.until === "end",
      most: "most" in cut ? cut.most : 0,
      ...defined({ limit: options?.limit, partition: options?.partition }),
    }),
  };
}
