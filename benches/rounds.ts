/**
 * Runs the contenders of a case in turn, A B C A B C …, so that what else the machine does meets all
 * of them alike. Each run is a process of its own.
 *
 * @module
 */
import { type CommandOptions, run, Unavailable, withoutColours } from "../tools/commands.ts";
import type { BenchCase, Contender } from "./bench_case.ts";
import type { Job, Missing, Outcome } from "./job.ts";
import type { Program, Programs } from "./peers/programs.ts";
import type { Servers } from "./setup/servers.ts";

/** What came of a case. */
export interface Rounds {
  /** The outcomes of each contender that ran. */
  outcomes: Map<Contender, Outcome[]>;
  /** Why the others did not. */
  missing: Map<Contender, string>;
}

/** How long one run may take if its case says nothing else. */
const RUN_MINUTES = 3;

/** Runs a case, telling on standard error how far it is. */
export async function runRounds(
  of: BenchCase,
  programs: Programs,
  servers: Servers,
  { rounds, touched, signal }: { rounds: number; touched: boolean; signal: AbortSignal },
): Promise<Rounds> {
  const outcomes = new Map<Contender, Outcome[]>();
  const missing = new Map<Contender, string>();
  const server = await servers.get(of.server, of.served);
  const ready = new Map<Contender, Program>();
  for (const contender of of.contenders) {
    signal.throwIfAborted();
    try {
      ready.set(contender, await programs.get(contender.program));
      outcomes.set(contender, []);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      missing.set(contender, error.message);
    }
  }
  const touch = of.touch && touched ? await programs.touch(of.touch) : undefined;
  const chosen = of.rounds ?? rounds;
  for (let round = 0; round < chosen; round++) {
    tell(`${of.name}: round ${round + 1} of ${chosen}`);
    for (const [contender, program] of ready) {
      if (missing.has(contender)) continue;
      signal.throwIfAborted();
      const ground = await of.ground?.(servers);
      const job = { ...DEFAULTS, ...server, ...of.job, ...contender.job, ...ground?.job };
      if (touch) await run(touch.program, touch.args, { quiet: true, signal });
      let wrong: string | undefined;
      let outcome: Outcome | Missing;
      try {
        outcome = await runOnce(program, job, of.minutes ?? RUN_MINUTES, signal);
      } finally {
        wrong = await ground?.cleared();
      }
      if ("missing" in outcome) missing.set(contender, outcome.missing);
      else if (wrong !== undefined) missing.set(contender, `left it wrong: ${wrong}`);
      else outcomes.get(contender)!.push(outcome);
    }
  }
  tell("");
  // Who failed once has no honest median.
  for (const contender of missing.keys()) outcomes.delete(contender);
  return { outcomes, missing };
}

const DEFAULTS = { count: 1, parallel: 1, settle: 0 };

async function runOnce(
  program: Program,
  job: Job,
  minutes: number,
  signal: AbortSignal,
): Promise<Outcome | Missing> {
  const command = program.command(job);
  const timeout = AbortSignal.timeout(minutes * 60_000);
  const options: CommandOptions = {
    quiet: true,
    signal: AbortSignal.any([signal, timeout]),
  };
  // `env` takes first away and then adds.
  const args = [
    ...USERS_OWN.flatMap((name) => ["-u", name]),
    ...Object.entries({ ...QUIET_ENVIRONMENT, ...command.env })
      .map(([name, value]) => `${name}=${value}`),
    command.program,
    ...command.args,
  ];
  const { success, output } = await run("env", args, options);
  signal.throwIfAborted();
  if (timeout.aborted) return { missing: `took more than ${minutes} minutes` };
  if (!success) return { missing: `failed: ${lastWords(output)}` };
  const line = output.split("\n").find((line) => line.startsWith("{"));
  if (!line) return { missing: `printed no outcome: ${lastWords(output)}` };
  return JSON.parse(line);
}

/** What the user has set for their own S3 must not reach a run. */
const USERS_OWN = [
  "AWS_PROFILE",
  "AWS_DEFAULT_PROFILE",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_ENDPOINT_URL",
  "AWS_ENDPOINT_URL_S3",
  "AWS_REGION",
  "AWS_DEFAULT_REGION",
  "AWS_CA_BUNDLE",
  "HTTP_PROXY",
  "http_proxy",
  "HTTPS_PROXY",
  "https_proxy",
  "ALL_PROXY",
  "all_proxy",
];
const QUIET_ENVIRONMENT = {
  // Half a second after its start Deno asks for a newer version of itself, once a day.
  DENO_NO_UPDATE_CHECK: "1",
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
};

/** The line that names the error, without the stack; else the last one. */
function lastWords(output: string): string {
  const lines = withoutColours(output).split("\n").map((line) => line.trim()).filter((line) =>
    line
  );
  const named = lines.findLast((line) => /^(error|uncaught|\w*(error|exception)\b).*:/i.test(line));
  const line = named ?? lines.at(-1) ?? "it wrote nothing";
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

function tell(text: string): void {
  if (Deno.stderr.isTerminal()) {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  } else if (text) console.error(text);
}
