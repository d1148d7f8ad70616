/** What a time namespace adds to the clocks of the machine, time_namespaces(7): /proc/<pid>/timens_offsets. */

import { existsSync, readFileSync } from "node:fs";

import { native } from "../native.js";
import { CAP, hasCapability } from "./capabilities.js";

/** ns */
export interface ClockOffsets {
  monotonic: bigint;
  boottime: bigint;
}

export const NO_OFFSETS: Readonly<ClockOffsets> = { monotonic: 0n, boottime: 0n };

const SECOND = 1_000_000_000n;

/** Lines "monotonic  -100  500000000": seconds, and nanoseconds to be added to them. The file is about children to come. */
export function parseClockOffsets(text: string): ClockOffsets {
  const offset = (clock: string): bigint => {
    const match = new RegExp(`^${clock}\\s+(-?\\d+)\\s+(\\d+)$`, "m").exec(text);
    return match === null ? 0n : BigInt(match[1] ?? 0) * SECOND + BigInt(match[2] ?? 0);
  };
  return { monotonic: offset("monotonic"), boottime: offset("boottime") };
}

/** Of a task, or of this process; none where the kernel has no time namespaces. */
export function clockOffsets(pid: number | "self"): ClockOffsets {
  const [text] = native().readTexts([`/proc/${pid}/timens_offsets`]);
  return typeof text === "string" ? parseClockOffsets(text) : NO_OFFSETS;
}

export function sameOffsets(a: ClockOffsets, b: ClockOffsets): boolean {
  return a.monotonic === b.monotonic && a.boottime === b.boottime;
}

/** The machine's own clocks: what they would be without a time namespace. */
export function machineClocks(): ClockOffsets {
  const { monotonic, boottime } = native().clocks();
  const own = clockOffsets("self");
  return { monotonic: monotonic - own.monotonic, boottime: boottime - own.boottime };
}

/** Which boot of a machine it is: its clocks begin with that. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

/** Of the kernel: CONFIG_TIME_NS. */
export function hasTimeNamespaces(): boolean {
  return existsSync("/proc/self/timens_offsets");
}

export function mayMakeTimeNamespaces(): boolean {
  return hasCapability(CAP.SYS_ADMIN) && hasCapability(CAP.SYS_TIME);
}
