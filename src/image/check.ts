/** Checks of the shape of what was read, built from small parts. A reader gets the declared type, or an error that names the field. */

export class ShapeError extends Error {}

/** Returns the value as T, or throws a ShapeError that names `path`. */
export type Check<T> = (value: unknown, path: string) => T;

function fail(path: string, expected: string): never {
  throw new ShapeError(`${path === "" ? "it" : path} is not ${expected}`);
}

export const string: Check<string> = (value, path) => (typeof value === "string" ? value : fail(path, "a string"));

export const boolean: Check<boolean> = (value, path) => (typeof value === "boolean" ? value : fail(path, "a truth value"));

export const bytes: Check<Uint8Array> = (value, path) => (value instanceof Uint8Array ? value : fail(path, "binary"));

/** A whole number that a double holds. */
export const int: Check<number> = (value, path) =>
  typeof value === "number" && Number.isSafeInteger(value) ? value : fail(path, "a whole number");

export const natural: Check<number> = (value, path) => {
  const number = int(value, path);
  return number >= 0 ? number : fail(path, "a natural number");
};

/** A pid, or 0 for one outside the namespace. */
export const pid: Check<number> = (value, path) => {
  const number = int(value, path);
  return number >= 0 && number <= 0x7fffffff ? number : fail(path, "a process id");
};

/** Small 64-bit numbers may have been written by others as plain ones. */
export const bigint: Check<bigint> = (value, path) =>
  typeof value === "bigint"
    ? value
    : typeof value === "number" && Number.isSafeInteger(value)
      ? BigInt(value)
      : fail(path, "a 64-bit number");

/** Of something that is there or not. */
export const yes: Check<true> = (value, path) => (value === true ? value : fail(path, "true"));

export function oneOf<const T extends string>(...values: readonly T[]): Check<T> {
  return (value, path) => values.find((candidate) => candidate === value) ?? fail(path, `one of ${values.join(", ")}`);
}

export function literal<const T extends string | number>(expected: T): Check<T> {
  return (value, path) => (value === expected ? expected : fail(path, JSON.stringify(expected)));
}

export function array<T>(element: Check<T>): Check<T[]> {
  return (value, path) => (Array.isArray(value) ? value.map((item: unknown, i) => element(item, `${path}[${i}]`)) : fail(path, "a list"));
}

export function record<T>(element: Check<T>): Check<Record<string, T>> {
  return (value, path) => {
    const result: Record<string, T> = {};
    for (const [key, item] of Object.entries(object(value, path))) result[key] = element(item, `${path}.${key}`);
    return result;
  };
}

export function object(value: unknown, path: string): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
    ? (value as Record<string, unknown>)
    : fail(path, "a map");
}

type Shape = Readonly<Record<string, Check<unknown>>>;
type Required<S extends Shape> = { [K in keyof S]: S[K] extends Check<infer T> ? T : never };
type Optional<S extends Shape> = { [K in keyof S]?: S[K] extends Check<infer T> ? T : never };

/** A map with these keys and perhaps those; others are ignored. */
export function map<R extends Shape>(required: R): Check<Required<R>>;
export function map<R extends Shape, O extends Shape>(required: R, optional: O): Check<Required<R> & Optional<O>>;
export function map(required: Shape, optional: Shape = {}): Check<unknown> {
  const requiredFields = Object.entries(required);
  const optionalFields = Object.entries(optional);
  return (value, path) => {
    const given = object(value, path);
    const result: Record<string, unknown> = {};
    for (const [key, check] of requiredFields) {
      if (!Object.hasOwn(given, key)) fail(`${path}.${key}`, "there");
      result[key] = check(given[key], `${path}.${key}`);
    }
    for (const [key, check] of optionalFields) {
      if (Object.hasOwn(given, key) && given[key] !== undefined && given[key] !== null) {
        result[key] = check(given[key], `${path}.${key}`);
      }
    }
    return result;
  };
}
