// Where a client's credentials come from, and the checks of what was given. A checked option keeps
// its secrets in a private field: nothing that prints, copies or serialises an object reaches them.

/** Credentials that are given, not looked for. */
export interface Credentials {
  /** The access key id. */
  accessKeyId: string;
  /** The secret access key. Never shown. */
  secretAccessKey: string;
  /** The token of a temporary session. Never shown. */
  sessionToken?: string;
}

/** Credentials that may end. */
export interface TemporaryCredentials extends Credentials {
  /** When they end. They are asked for again before that; without it, when a server says so. */
  expiration?: Date;
}

/**
 * Gives credentials when they are needed: at the first request and before those that it gave
 * expire. Many requests that need them at once call it once. What it throws becomes a
 * `CredentialsError`, and the next request calls it again. It has `stallTimeout` to answer.
 */
export type CredentialsFunction = () => TemporaryCredentials | Promise<TemporaryCredentials>;

/** A role to assume, through AWS's Security Token Service. Sessions are renewed as they end. */
export interface AssumeRole {
  /** The role, such as `"arn:aws:iam::123456789012:role/reader"`. */
  roleArn: string;
  /** The id that the owner of the role asks for. Never shown. */
  externalId?: string;
  /** What the session is called in the owner's logs. */
  sessionName?: string;
  /** How long a session lasts, in seconds, from 900 to 43,200. Default: 3,600. */
  duration?: number;
  /** Whose credentials ask for the role. Default: those of the standard AWS chain. */
  source?: Credentials | CredentialsFunction | AssumeRole;
}

/** All that may be given as `credentials`. */
export type CredentialsOption = Credentials | CredentialsFunction | AssumeRole | "anonymous";
