// The file of certificates that the environment or the profile names: `AWS_CA_BUNDLE`, or the
// profile's `ca_bundle`, as the AWS CLI reads them. Who names a file wants it to be trusted, so one
// that cannot be read is an error and not skipped.

import { invalidInput } from "../ffi/errors.ts";
import { configurationFiles, expand, type Surroundings } from "./surroundings.ts";

/** A file of certificates, and who names it. */
export interface CaBundle {
  readonly path: string;
  /** As errors name it. */
  readonly by: string;
}

/** The file that is to be trusted, if any is named. The environment comes before the profile. */
export function caBundleOf(
  { variables, files }: Surroundings,
  profile: string | undefined,
): CaBundle | undefined {
  const given = variables["AWS_CA_BUNDLE"];
  if (given) return { path: expand(given, variables), by: "AWS_CA_BUNDLE" };
  const name = profile ?? (variables["AWS_PROFILE"] || "default");
  const { config, credentials } = configurationFiles(variables);
  const found = [
    config && settingIn(files[config], [`profile ${name}`, ...defaultOnly(name)], "ca_bundle"),
    credentials && settingIn(files[credentials], [name], "ca_bundle"),
  ].find((value) => value);
  if (!found) return undefined;
  return { path: expand(found, variables), by: `ca_bundle of the profile ${name}` };
}

/**
 * What the file holds.
 *
 * @throws {InvalidInputError} When it cannot be read.
 */
export function readBundle({ path, by }: CaBundle, operation: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw invalidInput(
      operation,
      `${by} names ${path}, which cannot be read: ${
        error instanceof Error ? error.message : error
      }`,
      "mend the path, take it away, or pass caCertificates, which come before it",
    );
  }
}

function defaultOnly(name: string): string[] {
  return name === "default" ? [name] : [];
}

/**
 * A setting of a section of a shared configuration file. Indented lines belong to the setting above
 * them. The last one counts.
 */
function settingIn(
  text: string | undefined,
  sections: readonly string[],
  name: string,
): string | undefined {
  let found: string | undefined;
  let inside = false;
  for (const line of (text ?? "").split(/\r?\n/)) {
    const section = /^\[\s*(.*?)\s*\]/.exec(line)?.[1];
    if (section !== undefined) {
      const plain = section.replace(/^profile\s+/, "profile ").replace(/(["'])(.*)\1$/, "$2");
      inside = sections.includes(plain);
      continue;
    }
    const [, key, value] = /^([^\s#;=][^=]*?)\s*=\s*(.*)$/.exec(line) ?? [];
    if (inside && key?.toLowerCase() === name) found = value!.replace(/\s[#;].*$/, "").trim();
  }
  return found;
}
