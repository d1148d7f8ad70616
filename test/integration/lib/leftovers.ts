/** Processes that a test started: whatever became of it, they end with it. */

import { readFileSync } from "node:fs";
import { keepDirectories } from "./directories.js";
import { children } from "./procfs.js";

/** Root of a tree, with when it began: a process id alone may be somebody else's by then. */
const roots = new Map<number, string>();

/** Field 22 of proc(5)'s stat. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** Roots that outlive the test that started them. */
const kept = new Set<number>();

export function keep(...pids: readonly number[]): void {
  keepDirectories();
  for (const pid of pids) kept.add(pid);
}

export function releaseAll(): void {
  kept.clear();
}

export function remember(pid: number): void {
  const time = startTime(pid);
  if (time !== undefined) roots.set(pid, time);
}

function killTree(pid: number): void {
  // Stopped first, so that it has no more children when they are looked up.
  signal(pid, "SIGSTOP");
  for (const child of children(pid)) killTree(child);
  signal(pid, "SIGKILL");
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export function killAll(): void {
  for (const [pid, time] of roots) {
    if (kept.has(pid)) continue;
    if (startTime(pid) === time) killTree(pid);
    roots.delete(pid);
  }
}
