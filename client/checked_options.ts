// The options of a client, checked before anything is loaded, read or sent.

import { invalidInput, unknownOption } from "../ffi/errors.ts";
import { checkCredentials, type CheckedCredentials } from "./checked_credentials.ts";
import { checkLogger, LOG_LEVELS } from "./checked_logger.ts";
import type { LogLevel } from "./logger.ts";
import type { S3ClientOptions } from "./options.ts";

const KNOWN: readonly (keyof S3ClientOptions)[] = [
  "region",
  "endpoint",
  "pathStyle",
  "profile",
  "credentials",
  "dualStack",
  "fips",
  "accelerate",
  "requesterPays",
  "caCertificates",
  "connectTimeout",
  "stallTimeout",
  "retries",
  "memoryBudget",
  "connections",
  "partSize",
  "transport",
  "checksums",
  "logger",
  "logLevel",
];

/** Options that were checked. They are a copy: later changes of the caller's have no effect. */
export interface CheckedOptions {
  readonly region: string | undefined;
  readonly endpoint: URL | undefined;
  readonly pathStyle: boolean | undefined;
  readonly profile: string | undefined;
  readonly credentials: CheckedCredentials | undefined;
  readonly dualStack: boolean | undefined;
  readonly fips: boolean | undefined;
  readonly accelerate: boolean | undefined;
  readonly requesterPays: boolean | undefined;
  readonly caCertificates: string | undefined;
  readonly connectTimeout: number | undefined;
  readonly stallTimeout: number | undefined;
  readonly retries: number | undefined;
  readonly memoryBudget: number | undefined;
  readonly connections: number | undefined;
  readonly partSize: number | undefined;
  readonly transport: S3ClientOptions["transport"];
  readonly checksums: S3ClientOptions["checksums"];
  readonly logger: S3ClientOptions["logger"];
  readonly logLevel: LogLevel | undefined;
}

/**
 * Checks a client's options.
 *
 * @throws {InvalidInputError} For an unknown option, and for a value that cannot be meant. The
 * message never shows a credential.
 */
export function checkOptions(options: S3ClientOptions, operation: string): CheckedOptions {
  if (typeof options !== "object" || options === null) {
    throw invalidInput(operation, "the options are no object", "pass { endpoint, region, \u2026 }");
  }
  for (const name of Object.keys(options)) {
    if (!KNOWN.some((known) => known === name)) throw unknownOption(operation, name, KNOWN);
  }
  const text = (name: "region" | "profile" | "caCertificates"): string | undefined => {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === "string" && value !== "")) return value;
    throw invalidInput(operation, `${name} is not a text`, `pass ${name} as a non-empty string`);
  };
  const whole = (name: keyof S3ClientOptions, least: number, most: number): number | undefined => {
    const value: unknown = options[name];
    if (value === undefined) return undefined;
    if (
      typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most
    ) return value;
    throw invalidInput(
      operation,
      `${name} is not a whole number from ${least} to ${most}`,
      `pass ${name} as a number`,
    );
  };
  for (const name of ["pathStyle", "dualStack", "fips", "accelerate", "requesterPays"] as const) {
    const value: unknown = options[name];
    if (value === undefined || typeof value === "boolean") continue;
    throw invalidInput(operation, `${name} is not true or false`, "pass a boolean");
  }
  refuseContradictions(options, operation);
  const oneOf = <T extends string>(
    name: "transport" | "checksums" | "logLevel",
    words: readonly T[],
  ) => {
    const value: unknown = options[name];
    const word = words.find((known) => known === value);
    if (value === undefined || word !== undefined) return word;
    const list = words.map((known) => `"${known}"`).join(", ");
    throw invalidInput(operation, `${name} is none of its values`, `pass one of ${list}`);
  };
  const longest = 2 ** 31 - 1;
  return {
    region: checkRegion(text("region"), operation),
    endpoint: checkEndpoint(options.endpoint, operation),
    pathStyle: options.pathStyle,
    profile: text("profile"),
    credentials: checkCredentials(options.credentials, operation),
    dualStack: options.dualStack,
    fips: options.fips,
    accelerate: options.accelerate,
    requesterPays: options.requesterPays,
    caCertificates: text("caCertificates"),
    connectTimeout: whole("connectTimeout", 1, longest),
    stallTimeout: whole("stallTimeout", 1, longest),
    retries: whole("retries", 0, 100),
    memoryBudget: whole("memoryBudget", 1, Number.MAX_SAFE_INTEGER),
    connections: whole("connections", 1, 256),
    partSize: whole("partSize", 64 * 1024, 5 * 1024 ** 3),
    transport: oneOf("transport", ["direct", "sdk"]),
    checksums: oneOf("checksums", ["auto", "full", "off"]),
    logger: checkLogger(options.logger, operation),
    logLevel: oneOf("logLevel", LOG_LEVELS),
  };
}

function checkRegion(region: string | undefined, operation: string): string | undefined {
  // The region becomes part of a host name.
  if (region === undefined || /^[A-Za-z0-9-]{1,63}$/.test(region)) return region;
  throw invalidInput(operation, "region is not a region's name", 'write it as "eu-central-1"');
}

/** Checks the address of a server. */
export function checkEndpoint(
  endpoint: string | URL | undefined,
  operation: string,
): URL | undefined {
  if (endpoint === undefined) return undefined;
  const hint = 'write it as "http://127.0.0.1:9000" or "https://s3.example.com"';
  const written = typeof endpoint === "string" || endpoint instanceof URL;
  const url = written ? URL.parse(String(endpoint)) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol) || url.hostname === "") {
    throw invalidInput(operation, "endpoint is not an http or https address", hint);
  }
  if (url.username !== "" || url.password !== "") {
    throw invalidInput(operation, "endpoint holds a user or password", "pass them as credentials");
  }
  if (url.search !== "" || url.hash !== "") {
    throw invalidInput(operation, "endpoint has a query or a fragment", hint);
  }
  return url;
}

/** An option that another one makes meaningless is a mistake, not something to ignore. */
function refuseContradictions(options: S3ClientOptions, operation: string): void {
  const refused = (what: string, hint: string): Error => invalidInput(operation, what, hint);
  const { endpoint, pathStyle, accelerate, fips } = options;
  const forAws = (["accelerate", "fips", "dualStack"] as const).find((name) => options[name]);
  if (endpoint !== undefined && forAws !== undefined) {
    throw refused(
      `${forAws} chooses a host of AWS, and endpoint names another`,
      `leave ${forAws} or endpoint away`,
    );
  }
  if (accelerate && pathStyle) {
    throw refused("accelerate needs bucket names in the host name", "leave pathStyle away");
  }
  if (accelerate && fips) {
    throw refused("there are no accelerated hosts with FIPS", "leave accelerate or fips away");
  }
}
