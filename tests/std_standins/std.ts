/**
 * Stand-ins for what the tests use of `@std/assert` and `@std/testing`.
 *
 * The tests are written against Deno's std, which comes from JSR. On a machine that cannot reach
 * JSR, `tools/import_map.ts` maps every `@std/…` name to this file instead. The names and
 * signatures are std's, the work is done by `node:assert/strict` and `Deno.test`, and only what is
 * used is covered. Where the two differ, this one is stricter (`assertEquals` tells 0 from -0 and
 * a null prototype from `Object`'s), so a test that passes here passes with std.
 *
 * `std_test.ts` holds the same expectations against either one.
 *
 * @module
 */
import node from "node:assert/strict";

// -- @std/assert ----------------------------------------------------------------------------------

/** What every assertion throws. */
export const AssertionError: typeof node.AssertionError = node.AssertionError;

// deno-lint-ignore no-explicit-any
type AnyConstructor = abstract new (...args: any[]) => any;
// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) fail(msg || `Expected a truthy value, got ${Deno.inspect(expr)}`);
}

/** `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is false | null | undefined {
  if (expr) fail(msg || `Expected a falsy value, got ${Deno.inspect(expr)}`);
}

/** `actual` and `expected` are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  node.deepStrictEqual(actual, expected, msg);
}

/** `actual` and `expected` are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  node.notDeepStrictEqual(actual, expected, msg);
}

/** `actual` is `expected`, by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  node.strictEqual(actual, expected, msg);
}

/** `actual` is not `expected`, by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  node.notStrictEqual(actual, expected, msg);
}

/** `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) fail(msg ?? `Expected a value, got ${actual}`);
}

/** `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (!(actual instanceof expectedType)) {
    fail(msg || `Expected an instance of ${expectedType.name}, got ${Deno.inspect(actual)}`);
  }
}

/** `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    fail(msg ?? `Expected ${Deno.inspect(actual)} to contain ${Deno.inspect(expected)}`);
  }
}

/** `actual` contains every element of `expected`, compared deeply. */
export function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  msg?: string,
): void {
  const missing = Array.from(expected).filter((wanted) =>
    !Array.from(actual).some((found) => deeplyEqual(found, wanted))
  );
  if (missing.length > 0) {
    fail(msg ?? `Expected ${Deno.inspect(actual)} to contain ${Deno.inspect(missing)}`);
  }
}

/** `actual` has every property of `expected`, compared deeply. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  node.partialDeepStrictEqual(actual, expected, msg);
}

/** `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  node.match(actual, expected, msg);
}

/** `actual` does not match `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  node.doesNotMatch(actual, expected, msg);
}

/** `actual` > `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) fail(msg ?? `Expected ${show(actual)} > ${show(expected)}`);
}

/** `actual` >= `expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) fail(msg ?? `Expected ${show(actual)} >= ${show(expected)}`);
}

/** `actual` < `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) fail(msg ?? `Expected ${show(actual)} < ${show(expected)}`);
}

/** `actual` <= `expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) fail(msg ?? `Expected ${show(actual)} <= ${show(expected)}`);
}

/** `actual` is within `tolerance` of `expected` (by default a ten-millionth of it). */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (!(Math.abs(expected - actual) <= allowed)) {
    fail(msg ?? `Expected ${actual} to be within ${allowed} of ${expected}`);
  }
}

/** Always throws. */
export function fail(msg?: string): never {
  throw new AssertionError({ message: msg || "Failed assertion." });
}

/** Throws, for a place that is never reached. */
export function unreachable(reason?: string): never {
  fail(reason || "Reached a place that must not be reached.");
}

/** `error` is an `ErrorClass` whose message contains `msgIncludes`. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  const before = msg ? `${msg}: ` : "";
  if (!(error instanceof Error)) {
    fail(`${before}Expected an Error, got ${Deno.inspect(error)}`);
  }
  if (ErrorClass && !(error instanceof ErrorClass)) {
    fail(
      `${before}Expected a ${ErrorClass.name}, got ${error.constructor.name}: ${error.message}`,
    );
  }
  const matches = msgMatches === undefined ||
    (typeof msgMatches === "string"
      ? error.message.includes(msgMatches)
      : msgMatches.test(error.message));
  if (!matches) {
    fail(
      `${before}Expected a message with ${Deno.inspect(msgMatches)}, got ${
        Deno.inspect(error.message)
      }`,
    );
  }
}

/** `fn` throws. Returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** `fn` throws an `ErrorClass` whose message contains `msgIncludes`. Returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  expectation?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    checkThrown(error, expectation, msgIncludes, msg);
    return thrown;
  }
  fail(`${detail(expectation, msg)}Expected the function to throw`);
}

/** `fn` returns a promise that rejects. Resolves to what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** `fn` returns a promise that rejects with an `ErrorClass` whose message contains `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  expectation?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    fail(
      `${detail(expectation, msg)}Expected a rejection, but the function threw ${
        Deno.inspect(error)
      }`,
    );
  }
  try {
    await promise;
  } catch (error) {
    checkThrown(error, expectation, msgIncludes, msg);
    return error;
  }
  fail(`${detail(expectation, msg)}Expected the promise to reject`);
}

function checkThrown(
  error: unknown,
  expectation: ErrorClass<Error> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): void {
  if (typeof expectation === "function") assertIsError(error, expectation, msgIncludes, msg);
}

function detail(expectation: unknown, msg: string | undefined): string {
  const text = typeof expectation === "string" ? expectation : msg;
  return text ? `${text}: ` : "";
}

function deeplyEqual(a: unknown, b: unknown): boolean {
  try {
    node.deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

function show(value: unknown): string {
  return Deno.inspect(value);
}

// -- @std/testing/bdd -----------------------------------------------------------------------------

type Body = (t: Deno.TestContext) => void | Promise<void>;
type Hook = () => void | Promise<void>;

/** What `describe` and `it` take beside a name and a function. */
export interface TestOptions {
  /** Skip it. */
  ignore?: boolean;
  /** Run only this one and others marked so. */
  only?: boolean;
  /** Permissions of the test, as in `Deno.test`; of a whole top-level group only. */
  permissions?: Deno.PermissionOptions;
  /** As in `Deno.test`. */
  sanitizeExit?: boolean;
  /** As in `Deno.test`. */
  sanitizeOps?: boolean;
  /** As in `Deno.test`. */
  sanitizeResources?: boolean;
}

interface Case {
  kind: "case";
  name: string;
  options: TestOptions;
  run: Body;
}

interface Group {
  kind: "group";
  name: string;
  options: TestOptions;
  parent: Group | undefined;
  children: (Case | Group)[];
  beforeAll: Hook[];
  afterAll: Hook[];
  beforeEach: Hook[];
  afterEach: Hook[];
}

type Arguments<F> =
  | [name: string, fn: F]
  | [name: string, options: TestOptions, fn: F]
  | [fn: F & { name: string }]
  | [definition: TestOptions & { name: string; fn: F }];

interface Parsed<F> {
  name: string;
  options: TestOptions;
  fn: F;
}

function parse<F extends (...args: never[]) => unknown>(
  args: Arguments<F>,
  extra: TestOptions,
): Parsed<F> {
  if (args.length === 3) return { name: args[0], options: { ...args[1], ...extra }, fn: args[2] };
  if (args.length === 2) return { name: args[0], options: extra, fn: args[1] };
  const [only] = args;
  if (typeof only === "function") return { name: only.name, options: extra, fn: only };
  const { name, fn, ...options } = only;
  return { name, options: { ...options, ...extra }, fn };
}

let current: Group | undefined;

/** `describe`, with `describe.only`, `describe.ignore` and `describe.skip`. */
export interface Describe {
  /** Registers a group of tests. */
  (...args: Arguments<() => void>): void;
  /** Registers a group and runs only groups and tests marked so. */
  only(...args: Arguments<() => void>): void;
  /** Registers a group that is skipped. */
  ignore(...args: Arguments<() => void>): void;
  /** Registers a group that is skipped. */
  skip(...args: Arguments<() => void>): void;
}

/** `it`, with `it.only`, `it.ignore` and `it.skip`. */
export interface It {
  /** Registers a test. */
  (...args: Arguments<Body>): void;
  /** Registers a test and runs only groups and tests marked so. */
  only(...args: Arguments<Body>): void;
  /** Registers a test that is skipped. */
  ignore(...args: Arguments<Body>): void;
  /** Registers a test that is skipped. */
  skip(...args: Arguments<Body>): void;
}

function registerGroup(args: Arguments<() => void>, extra: TestOptions): void {
  const { name, options, fn } = parse(args, extra);
  const group: Group = {
    kind: "group",
    name,
    options,
    parent: current,
    children: [],
    beforeAll: [],
    afterAll: [],
    beforeEach: [],
    afterEach: [],
  };
  const outer = current;
  current = group;
  try {
    fn();
  } finally {
    current = outer;
  }
  if (outer) {
    outer.children.push(group);
    return;
  }
  Deno.test({
    ...options,
    name,
    only: options.only === true || containsOnly(group),
    fn: (t) => runGroup(group, t),
  });
}

function registerCase(args: Arguments<Body>, extra: TestOptions): void {
  const { name, options, fn } = parse(args, extra);
  if (current) {
    current.children.push({ kind: "case", name, options, run: fn });
    return;
  }
  Deno.test({ ...options, name, fn });
}

/** Registers a group of tests. Hooks and nested groups work as in std. */
export const describe: Describe = Object.assign(
  (...args: Arguments<() => void>): void => registerGroup(args, {}),
  {
    only: (...args: Arguments<() => void>): void => registerGroup(args, { only: true }),
    ignore: (...args: Arguments<() => void>): void => registerGroup(args, { ignore: true }),
    skip: (...args: Arguments<() => void>): void => registerGroup(args, { ignore: true }),
  },
);

/** Registers a test. */
export const it: It = Object.assign(
  (...args: Arguments<Body>): void => registerCase(args, {}),
  {
    only: (...args: Arguments<Body>): void => registerCase(args, { only: true }),
    ignore: (...args: Arguments<Body>): void => registerCase(args, { ignore: true }),
    skip: (...args: Arguments<Body>): void => registerCase(args, { ignore: true }),
  },
);

/** Another name of `it`. */
export const test: It = it;

/** Runs `fn` once before the tests of the group. */
export function beforeAll(fn: Hook): void {
  groupOf("beforeAll").beforeAll.push(fn);
}

/** Runs `fn` once after the tests of the group. */
export function afterAll(fn: Hook): void {
  groupOf("afterAll").afterAll.push(fn);
}

/** Runs `fn` before each test of the group and of the groups inside it. */
export function beforeEach(fn: Hook): void {
  groupOf("beforeEach").beforeEach.push(fn);
}

/** Runs `fn` after each test of the group and of the groups inside it. */
export function afterEach(fn: Hook): void {
  groupOf("afterEach").afterEach.push(fn);
}

function groupOf(hook: string): Group {
  if (!current) throw new Error(`${hook}() is called outside describe()`);
  return current;
}

function containsOnly(node: Case | Group): boolean {
  return node.options.only === true ||
    (node.kind === "group" && node.children.some(containsOnly));
}

/** Runs a group as one `Deno.test` with a step for each child. */
async function runGroup(group: Group, t: Deno.TestContext): Promise<void> {
  const onlySome = group.children.some(containsOnly);
  try {
    for (const hook of group.beforeAll) await hook();
    for (const child of group.children) {
      const { only: _, permissions: __, ...options } = child.options;
      await t.step({
        ...options,
        name: child.name,
        ignore: options.ignore === true || (onlySome && !containsOnly(child)),
        fn: (step) => child.kind === "group" ? runGroup(child, step) : runCase(group, child, step),
      });
    }
  } finally {
    for (const hook of group.afterAll) await hook();
  }
}

/** Runs the hooks of the group and of those around it, outermost first, about one test. */
async function runCase(group: Group, test: Case, t: Deno.TestContext): Promise<void> {
  const around: Group[] = [];
  for (let at: Group | undefined = group; at; at = at.parent) around.unshift(at);
  try {
    for (const each of around) for (const hook of each.beforeEach) await hook();
    await test.run(t);
  } finally {
    for (const each of around.reverse()) for (const hook of each.afterEach) await hook();
  }
}
