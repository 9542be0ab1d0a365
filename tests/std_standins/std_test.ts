/**
 * The tests rely on these properties of `@std/assert` and `@std/testing`. They hold for std and for
 * the stand-ins alike: whichever one the import map names is what this file proves.
 */
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
  unreachable,
} from "@std/assert";
import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from "@std/testing/bdd";

class Special extends TypeError {}

/** Each row: a call that passes, and the same assertion made to fail. */
const assertions: Record<string, [passes: () => void, fails: () => void]> = {
  assert: [() => assert(1), () => assert(0)],
  assertFalse: [() => assertFalse(0), () => assertFalse(1)],
  assertEquals: [
    () => assertEquals({ a: [1, new Uint8Array([2])] }, { a: [1, new Uint8Array([2])] }),
    () => assertEquals({ a: [1, new Uint8Array([2])] }, { a: [1, new Uint8Array([3])] }),
  ],
  "assertEquals and a property that is undefined": [
    () => assertEquals<unknown>({ a: undefined }, { a: undefined }),
    () => assertEquals<unknown>({ a: undefined }, {}),
  ],
  assertNotEquals: [() => assertNotEquals([1], [2]), () => assertNotEquals([1], [1])],
  assertStrictEquals: [
    () => assertStrictEquals(NaN, NaN),
    () => assertStrictEquals<unknown>({}, {}),
  ],
  assertNotStrictEquals: [
    () => assertNotStrictEquals({}, {}),
    () => assertNotStrictEquals(1, 1),
  ],
  assertExists: [() => assertExists(0), () => assertExists(null)],
  assertInstanceOf: [
    () => assertInstanceOf(new Special(), TypeError),
    () => assertInstanceOf(new Error(), TypeError),
  ],
  assertStringIncludes: [
    () => assertStringIncludes("abc", "b"),
    () => assertStringIncludes("abc", "d"),
  ],
  assertArrayIncludes: [
    () => assertArrayIncludes([{ a: 1 }, { b: 2 }], [{ b: 2 }]),
    () => assertArrayIncludes([{ a: 1 }], [{ a: 2 }]),
  ],
  assertObjectMatch: [
    () => assertObjectMatch({ a: 1, b: { c: 2, d: 3 } }, { b: { c: 2 } }),
    () => assertObjectMatch({ a: 1, b: { c: 2 } }, { b: { c: 3 } }),
  ],
  assertMatch: [() => assertMatch("abc", /b/), () => assertMatch("abc", /d/)],
  assertNotMatch: [() => assertNotMatch("abc", /d/), () => assertNotMatch("abc", /b/)],
  assertGreater: [() => assertGreater(2, 1), () => assertGreater(1, 1)],
  assertGreaterOrEqual: [() => assertGreaterOrEqual(1, 1), () => assertGreaterOrEqual(0, 1)],
  assertLess: [() => assertLess(1, 2), () => assertLess(1, 1)],
  assertLessOrEqual: [() => assertLessOrEqual(1, 1), () => assertLessOrEqual(2, 1)],
  assertAlmostEquals: [
    () => assertAlmostEquals(1.05, 1, 0.1),
    () => assertAlmostEquals(1.05, 1),
  ],
  assertIsError: [
    () => assertIsError(new Special("abc"), TypeError, "b"),
    () => assertIsError(new Special("abc"), TypeError, "d"),
  ],
  assertThrows: [
    () =>
      assertThrows(
        () => {
          throw new Special("abc");
        },
        TypeError,
        "b",
      ),
    () => assertThrows(() => {}),
  ],
  "assertThrows and the class": [
    () =>
      assertStringIncludes(
        assertThrows(() => {
          throw new Special("abc");
        }, Special).message,
        "abc",
      ),
    () =>
      assertThrows(() => {
        throw new Error("abc");
      }, Special),
  ],
};

describe("assertions", () => {
  for (const [name, [passes, fails]] of Object.entries(assertions)) {
    it(`${name} passes and fails`, () => {
      passes();
      let thrown: unknown;
      try {
        fails();
      } catch (error) {
        thrown = error;
      }
      assert(thrown instanceof AssertionError, `${name} threw ${Deno.inspect(thrown)}`);
    });
  }

  it("assertRejects resolves to the error", async () => {
    const error = await assertRejects(() => Promise.reject(new Special("abc")), Special, "b");
    assertEquals(error.message, "abc");
  });

  it("assertRejects refuses the wrong class, a resolved promise and a synchronous throw", async () => {
    const wrong = [
      () => assertRejects(() => Promise.reject(new Error("abc")), Special),
      () => assertRejects(() => Promise.reject(new Special("abc")), Special, "d"),
      () => assertRejects(() => Promise.resolve(1)),
      () =>
        assertRejects(() => {
          throw new Error("not a promise");
        }),
    ];
    for (const call of wrong) {
      let thrown: unknown;
      await call().catch((error: unknown) => thrown = error);
      assert(thrown instanceof AssertionError);
    }
  });

  it("fail and unreachable always throw", () => {
    assertThrows(() => fail("abc"), AssertionError, "abc");
    assertThrows(() => unreachable(), AssertionError);
  });
});

const events: string[] = [];

describe("groups", () => {
  beforeAll(() => {
    events.push("beforeAll");
  });
  beforeEach(() => {
    events.push("beforeEach");
  });
  afterEach(() => {
    events.push("afterEach");
  });
  afterAll(() => {
    events.push("afterAll");
  });

  it("runs a test", () => {
    events.push("first");
  });

  it.skip("skips a test", () => {
    fail("a skipped test ran");
  });

  it("ignores a test by option", { ignore: true }, () => {
    fail("an ignored test ran");
  });

  describe("inside a group", () => {
    beforeEach(() => {
      events.push("inner beforeEach");
    });
    afterEach(() => {
      events.push("inner afterEach");
    });

    it("runs the hooks of both, the outer ones outside", async () => {
      await Promise.resolve();
      events.push("second");
    });
  });

  describe.skip("skipped", () => {
    it("never runs", () => {
      fail("a test of a skipped group ran");
    });
  });
});

it("ran the hooks in std's order", () => {
  assertEquals(events, [
    "beforeAll",
    "beforeEach",
    "first",
    "afterEach",
    "beforeEach",
    "inner beforeEach",
    "second",
    "inner afterEach",
    "afterEach",
    "afterAll",
  ]);
});
