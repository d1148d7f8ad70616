/** Registers that processors differ in. */

import { native } from "../native.js";
import { YES, no, read, type Answer, type Probe } from "./types.js";

/** Bits of XCR0, Intel SDM volume 1, 13.1. */
const AVX = 1n << 2n;
const AVX512 = 0b111n << 5n;
const AMX = 0b11n << 17n;

export const PROCESSOR: readonly Probe[] = [
  { id: "avx", about: "AVX registers", ask: () => registers(AVX) },
  { id: "avx512", about: "AVX-512 registers", ask: () => registers(AVX512) },
  { id: "amx", about: "AMX tiles", ask: amx },
  { id: "shadow-stacks", about: "shadow stacks", ask: shadowStacks },
];

function registers(bits: bigint): Answer {
  if ((native().xfeatures() & bits) === bits) return YES;
  return no("this processor or kernel has none: an image whose tasks use them cannot be restored here");
}

function amx(): Answer {
  const has = (native().xfeatures() & AMX) !== 0n;
  return no(`${has ? "a task that has asked for them" : "this processor has none, and a task that uses them"} cannot be saved`);
}

function shadowStacks(): Answer {
  const has = /^flags\s*:.*\buser_shstk\b/m.test(read("/proc/cpuinfo") ?? "");
  return no(
    has ? "a task that has one is refused: GLIBC_TUNABLES switches them off" : "this machine has none, and a task with one is refused",
  );
}
