/**
 * Damages a copy of an image directory: bytes of its files, values in them, files themselves. Most of the damage is
 * sealed again with right checksums, as by somebody who means it, or the checksums would be all that is ever tested.
 */

import { linkSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { PREFIX_SIZE, headSize } from "../../../src/image/elfcore.js";
import { pack, unpack } from "../../../src/image/msgpack.js";
import { INVENTORY } from "../../../src/image/names.js";
import { seal, sha256 } from "../../../src/image/seal.js";
import type { Random } from "./random.js";

type Fields = Record<string, unknown>;
interface Entry {
  name: string;
  size: bigint | number;
  sha256?: string;
  hashedBytes?: bigint | number;
}

const NUMBERS: readonly (number | bigint)[] = [
  0,
  1,
  -1,
  2,
  3,
  64,
  65,
  127,
  128,
  255,
  256,
  4095,
  4096,
  65535,
  65536,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  -0x80000000,
  1e15,
  1e308,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2n ** 47n,
  2n ** 47n - 4096n,
  2n ** 48n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  -(2n ** 63n),
];
const STRINGS: readonly string[] = [
  "",
  "/",
  ".",
  "..",
  "../../etc/passwd",
  "a/../../b",
  "\0",
  "a\0b",
  "\n",
  "\u001b[2J",
  "x".repeat(5000),
  "__proto__",
  "constructor",
  "toString",
  "0",
  "core-1.elf",
];

function number(random: Random, old: number | bigint): unknown {
  switch (random.below(5)) {
    case 0:
      // wrapped around: msgpack has no more than 64 bits
      return typeof old === "bigint" ? BigInt.asUintN(64, old + 1n) : old + 1;
    case 1:
      return typeof old === "bigint" ? BigInt.asIntN(64, old - 1n) : old - 1;
    case 2:
      return BigInt.asUintN(64, BigInt(Number.isInteger(Number(old)) ? old : 0) ^ (1n << BigInt(random.below(64))));
    default:
      return random.pick(NUMBERS);
  }
}

/** Another value in the place of this one, of the same type more often than not. */
function other(random: Random, old: unknown): unknown {
  if (random.below(5) === 0) {
    return random.pick<unknown>([null, true, false, 7, -7n, "text", [], {}, [[]], new Uint8Array(3), new Uint8Array(70_000)]);
  }
  if (typeof old === "number" || typeof old === "bigint") return number(random, old);
  if (typeof old === "string") return random.below(2) === 0 ? random.pick(STRINGS) : text(random, old);
  if (typeof old === "boolean") return !old;
  if (old instanceof Uint8Array) return bytes(random, old);
  if (Array.isArray(old)) return list(random, old);
  return random.pick<unknown>([null, 0, "", {}]);
}

function text(random: Random, old: string): string {
  const at = random.below(old.length + 1);
  return random.below(2) === 0 ? old.slice(0, at) : `${old.slice(0, at)}${random.pick(STRINGS)}${old.slice(at)}`;
}

function bytes(random: Random, old: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(old);
  if (random.below(3) === 0) return copy.subarray(0, random.below(copy.length + 1));
  if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
  return copy;
}

function list(random: Random, old: readonly unknown[]): unknown[] {
  const copy = [...old];
  const at = random.below(copy.length);
  switch (random.below(4)) {
    case 0:
      copy.splice(at, 1);
      break;
    case 1:
      if (copy.length > 0) copy.splice(at, 0, copy[random.below(copy.length)]);
      break;
    case 2:
      copy.reverse();
      break;
    default:
      return copy.length === 0 ? [0] : copies(copy[at], 1 + random.below(2000));
  }
  return copy;
}

/** What is changed several times must not outgrow the memory that the commands are measured by. */
const LARGEST = 16 << 20;

function copies(item: unknown, wanted: number): unknown[] {
  const room = Math.floor(LARGEST / pack(item).length);
  return Array.from({ length: Math.max(1, Math.min(wanted, room)) }, () => item);
}

/** Changes one value somewhere inside. */
function mutateValue(random: Random, value: unknown): unknown {
  if (Array.isArray(value)) {
    if (value.length === 0 || random.below(6) === 0) return other(random, value);
    const at = random.below(value.length);
    return value.map((item: unknown, i) => (i === at ? mutateValue(random, item) : item));
  }
  if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    const fields = value as Fields;
    const names = Object.keys(fields);
    if (names.length === 0) return other(random, value);
    const name = random.pick(names);
    const how = random.below(12);
    if (how === 0) return Object.fromEntries(Object.entries(fields).filter(([one]) => one !== name));
    if (how === 1) return { ...fields, [random.pick(["extra", "length", "__proto__"])]: fields[name] };
    return { ...fields, [name]: mutateValue(random, fields[name]) };
  }
  return other(random, value);
}

function mutateBytes(random: Random, data: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(data);
  const view = new DataView(copy.buffer);
  for (let times = 1 + random.below(4); times > 0 && copy.length > 8; times--) {
    const at = random.below(copy.length - 8);
    const how = random.below(4);
    if (how < 2) copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    else if (how === 2) view.setUint32(at & ~3, random.pick([0, 1, 0xff, 0xffff, 0x7fffffff, 0xffffffff, 0x1000]), true);
    else view.setBigUint64(at & ~7, random.pick([0n, 1n, 4096n, 2n ** 47n, 2n ** 63n, 2n ** 64n - 1n]), true);
  }
  return random.below(10) === 0 ? copy.subarray(0, random.below(copy.length)) : copy;
}

/** An image as it is, to be damaged many times. */
export class Original {
  readonly #dir: string;
  readonly #files = new Map<string, Uint8Array>();
  readonly #inventory: Fields & { files: Entry[] };

  constructor(dir: string) {
    this.#dir = dir;
    for (const name of readdirSync(dir)) this.#files.set(name, readFileSync(path.join(dir, name)));
    this.#inventory = unpack(this.#file(INVENTORY)) as Fields & { files: Entry[] };
  }

  #file(name: string): Uint8Array {
    const data = this.#files.get(name);
    if (data === undefined) throw new Error(`${this.#dir} has no ${name}`);
    return data;
  }

  /** Makes a damaged copy at `dir`, which must not be there. Says in a few words what was done. */
  damage(random: Random, dir: string): string {
    mkdirSync(dir);
    for (const name of this.#files.keys()) linkSync(path.join(this.#dir, name), path.join(dir, name));
    const name = random.pick([...this.#files.keys()]);
    switch (random.below(10)) {
      case 0:
        this.#replaceFile(random, dir, name);
        return `${name} replaced`;
      case 1:
        this.#put(dir, name, mutateBytes(random, this.#file(name)));
        return `${name}: bytes, not sealed`;
      case 2:
      case 3:
        return this.#changeBytes(random, dir, name);
      case 4: {
        const inventory = mutateValue(random, this.#inventory);
        this.#put(dir, INVENTORY, sealed(inventory));
        return "inventory: a value";
      }
      default:
        return this.#changeValue(random, dir, name);
    }
  }

  /** The copy's files are links to the original's: never written in place. */
  #put(dir: string, name: string, data: Uint8Array): void {
    const file = path.join(dir, name);
    rmSync(file, { force: true });
    writeFileSync(file, data);
  }

  #replaceFile(random: Random, dir: string, name: string): void {
    const file = path.join(dir, name);
    rmSync(file);
    switch (random.below(5)) {
      case 0:
        return;
      case 1:
        mkdirSync(file);
        return;
      case 2:
        symlinkSync("/etc/passwd", file);
        return;
      case 3:
        writeFileSync(file, "");
        truncateSync(file, 2 ** 40); // sparse
        return;
      default:
        writeFileSync(file, "");
    }
  }

  /** Writes `data` as the file and says its new size and sum in the inventory. */
  #putSealed(dir: string, name: string, data: Uint8Array): void {
    const files = this.#inventory.files.map((entry) => {
      if (entry.name !== name) return entry;
      const hashed = entry.hashedBytes === undefined ? undefined : hashedBytes(data, Number(entry.hashedBytes));
      return {
        ...entry,
        size: BigInt(data.length),
        ...(entry.sha256 === undefined ? {} : { sha256: sha256(hashed === undefined ? data : data.subarray(0, hashed)) }),
        ...(hashed === undefined ? {} : { hashedBytes: BigInt(hashed) }),
      };
    });
    this.#put(dir, name, data);
    this.#put(dir, INVENTORY, sealed({ ...this.#inventory, files }));
  }

  #changeBytes(random: Random, dir: string, name: string): string {
    const entry = this.#inventory.files.find((one) => one.name === name);
    if (entry === undefined) {
      this.#put(dir, name, mutateBytes(random, this.#file(name)));
      return `${name}: bytes`;
    }
    // of a core the part that is read, not the pages
    const data = this.#file(name);
    const head = Number(entry.hashedBytes ?? data.length);
    const changed = mutateBytes(random, data.subarray(0, head));
    this.#putSealed(dir, name, Buffer.concat([changed, data.subarray(head)]));
    return `${name}: bytes, sealed`;
  }

  #changeValue(random: Random, dir: string, name: string): string {
    if (!name.endsWith(".msgpack")) return this.#changeBytes(random, dir, name);
    let value = unpack(this.#file(name));
    for (let times = 1 + random.below(3); times > 0; times--) value = mutateValue(random, value);
    if (name === INVENTORY) this.#put(dir, name, sealed(value));
    else this.#putSealed(dir, name, pack(value));
    return `${name}: values`;
  }
}

/** How many bytes of a damaged core a reader wants checked; where it cannot tell, as many as before. */
function hashedBytes(data: Uint8Array, before: number): number {
  try {
    const size = headSize(data.subarray(0, PREFIX_SIZE), "");
    return size <= data.length ? size : before;
  } catch {
    return before;
  }
}

/** An inventory ends in its own hash, whatever else it holds. */
function sealed(inventory: unknown): Uint8Array {
  if (typeof inventory !== "object" || inventory === null || !("sha256" in inventory)) return pack(inventory);
  const packed = Uint8Array.from(pack({ ...inventory, sha256: "0".repeat(64) }));
  seal(packed);
  return packed;
}
