// What the credential chain and the choice of a proxy may see: environment variables and files, as
// far as Deno's permissions allow. The native side reads neither by itself. What is not allowed is
// skipped, and an error about missing credentials names it.

import { isGranted } from "../ffi/permissions.ts";
import type { SurroundingsMessage } from "../ffi/symbols.ts";

/** What may be seen, and what was skipped with the flag that would allow it. */
export type Surroundings = SurroundingsMessage;

/** The variables that the SDK's configuration and credential providers read, and the proxies'. */
const VARIABLES = [
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_REGION",
  "AWS_DEFAULT_REGION",
  "AWS_PROFILE",
  "AWS_CONFIG_FILE",
  "AWS_SHARED_CREDENTIALS_FILE",
  "AWS_CA_BUNDLE",
  "AWS_ENDPOINT_URL",
  "AWS_ENDPOINT_URL_S3",
  "AWS_ENDPOINT_URL_STS",
  "AWS_ENDPOINT_URL_SSO",
  "AWS_ENDPOINT_URL_SSO_OIDC",
  "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
  "AWS_ROLE_ARN",
  "AWS_ROLE_SESSION_NAME",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN",
  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
  "AWS_EC2_METADATA_DISABLED",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT",
  "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
  "AWS_USE_DUALSTACK_ENDPOINT",
  "AWS_USE_FIPS_ENDPOINT",
  "AWS_MAX_ATTEMPTS",
  "AWS_RETRY_MODE",
  "AWS_REQUEST_CHECKSUM_CALCULATION",
  "AWS_RESPONSE_CHECKSUM_VALIDATION",
  "HOME",
  "USERPROFILE",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "all_proxy",
  "no_proxy",
] as const;

/** Reads what is granted. Never prompts. */
export function lookAround(): Surroundings {
  const found: Surroundings = { variables: {}, files: {}, skipped: [] };
  for (const variable of VARIABLES) {
    if (!isGranted({ name: "env", variable })) continue;
    const value = Deno.env.get(variable);
    // What is set to nothing is not set, as for AWS's own tools.
    if (value) found.variables[variable] = value;
  }
  const keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
  if (!keys.every((variable) => isGranted({ name: "env", variable }))) {
    found.skipped.push(`the environment (--allow-env=${keys.join(",")})`);
  }
  readFiles(found);
  const metadata = metadataHost(found.variables);
  if (metadata !== undefined && !isGranted({ name: "net", host: metadata })) {
    found.skipped.push(`the instance metadata service (--allow-net=${metadata})`);
  }
  return found;
}

/** Where an instance is asked about itself, unless that is switched off. */
function metadataHost(variables: Record<string, string>): string | undefined {
  if (/^true$/i.test(variables["AWS_EC2_METADATA_DISABLED"] ?? "")) return undefined;
  const url = URL.parse(variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "");
  if (url !== null) return `${url.hostname}:${url.port || "80"}`;
  const newer = /^ipv6$/i.test(variables["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"] ?? "");
  return newer ? "[fd00:ec2::254]:80" : "169.254.169.254:80";
}

/** The shared configuration files: where they are, as far as that is known. */
export function configurationFiles(
  variables: Record<string, string>,
): { config: string | undefined; credentials: string | undefined } {
  const place = (variable: string, name: string): string | undefined => {
    const path = variables[variable] ?? inHome(variables, name);
    return path === undefined ? undefined : expand(path, variables);
  };
  return {
    config: place("AWS_CONFIG_FILE", "config"),
    credentials: place("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
  };
}

function homeOf(variables: Record<string, string>): string | undefined {
  return variables["HOME"] ?? variables["USERPROFILE"];
}

function inHome(variables: Record<string, string>, name: string): string | undefined {
  const home = homeOf(variables);
  return home === undefined ? undefined : `${home}/.aws/${name}`;
}

function readFiles(found: Surroundings): void {
  const { variables } = found;
  const { config, credentials } = configurationFiles(variables);
  if (homeOf(variables) === undefined && (config === undefined || credentials === undefined)) {
    found.skipped.push("the home directory's .aws folder (--allow-env=HOME)");
  }
  for (const path of [config, credentials]) {
    if (path !== undefined) readFile(found, path, "the shared configuration");
  }
  const tokens = Object.values(found.files).flatMap((text) =>
    [...text.matchAll(/^\s*web_identity_token_file\s*=\s*(.+?)\s*$/gm)].map((match) => match[1])
  );
  for (const path of [variables["AWS_WEB_IDENTITY_TOKEN_FILE"], ...tokens]) {
    if (path !== undefined && path !== "") readFile(found, path, "the web identity token");
  }
  const token = variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  if (token !== undefined) {
    readFile(found, token, "the container's authorization token");
    // The token is sent in a header, where the line's end has no place.
    const text = found.files[token];
    if (text !== undefined) found.files[token] = text.trimEnd();
  }
  readTokenCache(found, inHome(variables, "sso/cache"));
  dropProcesses(found);
}

/** A path that may start with the home directory's sign. */
export function expand(path: string, variables: Record<string, string>): string {
  const home = homeOf(variables);
  return home !== undefined && path.startsWith("~/") ? home + path.slice(1) : path;
}

function readFile(found: Surroundings, path: string, what: string): void {
  if (!isGranted({ name: "read", path })) {
    found.skipped.push(`${what} in ${path} (--allow-read=${path})`);
    return;
  }
  try {
    found.files[path] = Deno.readTextFileSync(path);
  } catch {
    // Missing, a folder or no text: as if it were not there.
  }
}

/** Single sign-on keeps its tokens in one small file for each session. */
function readTokenCache(found: Surroundings, directory: string | undefined): void {
  const signsOn = Object.values(found.files).some((text) => /^\s*sso_/m.test(text));
  if (directory === undefined || !signsOn) return;
  if (!isGranted({ name: "read", path: directory })) {
    found.skipped.push(`single sign-on in ${directory} (--allow-read=${directory})`);
    return;
  }
  try {
    for (const entry of Deno.readDirSync(directory)) {
      if (entry.isFile && entry.name.endsWith(".json")) {
        readFile(found, `${directory}/${entry.name}`, "single sign-on");
      }
    }
  } catch {
    // Never signed on.
  }
}

/** A profile may name a program to run. Without the permission the native side never sees it. */
function dropProcesses(found: Surroundings): void {
  const shell = Deno.build.os === "windows" ? "cmd.exe" : "sh";
  for (const [path, text] of Object.entries(found.files)) {
    // Any line that mentions it: the SDK's idea of a name and of white space is its own.
    const allowed = text.replaceAll(/[^\n]*credential_process[^\n]*/gi, "");
    if (allowed === text || isGranted({ name: "run", command: shell })) continue;
    found.files[path] = allowed;
    found.skipped.push(`the credential_process in ${path} (--allow-run=${shell})`);
  }
}
