// Credentials that were given as an option, checked.

import { invalidInput } from "../ffi/errors.ts";
import { forgetFunction, nameFunction } from "../ffi/program_functions.ts";
import type { CredentialsMessage, GivenCredentialsMessage } from "../ffi/symbols.ts";
import { withoutSecrets } from "../jupyter/redaction.ts";
import type {
  AssumeRole,
  Credentials,
  CredentialsFunction,
  CredentialsOption,
  TemporaryCredentials,
} from "./credentials.ts";

/** Credentials that were checked. They are a copy: later changes of the caller's have no effect. */
export class CheckedCredentials {
  readonly #option: CredentialsOption;
  #functions: number[] = [];

  /** Takes what {@linkcode checkCredentials} made. */
  constructor(option: CredentialsOption) {
    this.#option = option;
  }

  /** Whether requests go unsigned. */
  get isAnonymous(): boolean {
    return this.#option === "anonymous";
  }

  /** For the native side, and for nobody else. */
  message(): CredentialsMessage {
    return this.#message(this.#option);
  }

  /** Forgets the functions that were given. */
  forget(): void {
    this.#functions.splice(0).forEach(forgetFunction);
  }

  #message(option: CredentialsOption): CredentialsMessage {
    if (option === "anonymous") return { kind: "anonymous" };
    if (typeof option === "function") {
      const name = nameFunction(async () => givenBy(await option()));
      this.#functions.push(name);
      return { kind: "function", function: name };
    }
    if ("roleArn" in option) {
      const { source, ...role } = option;
      const from: CredentialsMessage = source === undefined
        ? { kind: "chain" }
        : this.#message(source);
      return { kind: "role", ...role, source: from };
    }
    return { kind: "explicit", ...option };
  }
}

/** What a credentials function gave, checked. The message never shows a value. */
function givenBy(given: unknown): GivenCredentialsMessage {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = Object(
    given,
  ) as TemporaryCredentials;
  if (!isText(accessKeyId) || !isText(secretAccessKey)) {
    throw new TypeError("it gave no { accessKeyId, secretAccessKey }, or empty ones");
  }
  if (sessionToken !== undefined && sessionToken !== null && !isText(sessionToken)) {
    throw new TypeError("it gave a sessionToken that is no text");
  }
  const message: GivenCredentialsMessage = { accessKeyId, secretAccessKey };
  if (sessionToken) message.sessionToken = sessionToken;
  if (expiration !== undefined && expiration !== null) {
    if (!(expiration instanceof Date) || Number.isNaN(expiration.getTime())) {
      throw new TypeError("it gave an expiration that is no Date");
    }
    message.expiration = Math.max(0, expiration.getTime());
  }
  return message;
}

function isText(value: unknown): value is string {
  // deno-lint-ignore no-control-regex -- such characters break the signature's header
  return typeof value === "string" && value !== "" && !/[\x00-\x1f\x7f]/.test(value);
}

/**
 * Checks what was given as `credentials`.
 *
 * @throws {InvalidInputError} The message never shows a credential.
 */
export function checkCredentials(
  credentials: unknown,
  operation: string,
): CheckedCredentials | undefined {
  if (credentials === undefined) return undefined;
  return new CheckedCredentials(checked(credentials, operation, 0));
}

/** Roles that assume roles end somewhere: AWS itself ends such sessions after an hour. */
const DEEPEST = 5;

function checked(option: unknown, operation: string, depth: number): CredentialsOption {
  if (option === "anonymous" && depth === 0) return option;
  if (typeof option === "function") return option as CredentialsFunction;
  if (typeof option === "object" && option !== null && "roleArn" in option) {
    return checkedRole(option as AssumeRole, operation, depth);
  }
  const { accessKeyId, secretAccessKey, sessionToken } = Object(option) as Credentials;
  if (
    isText(accessKeyId) && isText(secretAccessKey) &&
    (sessionToken === undefined || isText(sessionToken))
  ) {
    return sessionToken === undefined
      ? { accessKeyId, secretAccessKey }
      : { accessKeyId, secretAccessKey, sessionToken };
  }
  throw invalidInput(
    operation,
    "credentials are incomplete or hold control characters",
    'pass { accessKeyId, secretAccessKey, sessionToken? }, a function that gives them, { roleArn }, or "anonymous"',
  );
}

function checkedRole(role: AssumeRole, operation: string, depth: number): AssumeRole {
  const refused = (what: string, hint: string): Error => invalidInput(operation, what, hint);
  const { roleArn, externalId, sessionName, duration, source, ...more } = role;
  const unknown = Object.keys(more)[0];
  if (unknown !== undefined) {
    throw refused(
      `credentials with roleArn have no option ${JSON.stringify(withoutSecrets(unknown))}`,
      "known are roleArn, externalId, sessionName, duration, source",
    );
  }
  if (depth >= DEEPEST) {
    throw refused("roles assume roles more than five times", "name the role in fewer steps");
  }
  if (
    typeof roleArn !== "string" || !/^arn:[a-z-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/.test(roleArn)
  ) {
    throw refused("roleArn is no role", 'write it as "arn:aws:iam::123456789012:role/name"');
  }
  const copy: AssumeRole = { roleArn };
  if (externalId !== undefined) {
    if (typeof externalId !== "string" || !/^[\w+=,.@:/-]{2,1224}$/.test(externalId)) {
      throw refused("externalId is none", "it has 2 to 1,224 letters, digits or _+=,.@:/-");
    }
    copy.externalId = externalId;
  }
  if (sessionName !== undefined) {
    if (typeof sessionName !== "string" || !/^[\w+=,.@-]{2,64}$/.test(sessionName)) {
      throw refused("sessionName is none", "it has 2 to 64 letters, digits or _+=,.@-");
    }
    copy.sessionName = sessionName;
  }
  if (duration !== undefined) {
    if (!Number.isInteger(duration) || duration < 900 || duration > 43_200) {
      throw refused(
        "duration is not a whole number of seconds from 900 to 43,200",
        "pass duration as a number",
      );
    }
    copy.duration = duration;
  }
  if (source !== undefined) {
    copy.source = checked(source, operation, depth + 1) as NonNullable<AssumeRole["source"]>;
  }
  return copy;
}
