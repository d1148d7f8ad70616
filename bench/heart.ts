/** The program that is measured, seen from outside. */

import { spawn } from "node:child_process";
import { openSync, closeSync, readSync, readFileSync, existsSync } from "node:fs";
import path from "node:path";

const BEATS = 1 << 16;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Nanoseconds since 1970, as the program notes them. */
export function now(): number {
  return Date.now() * 1e6;
}

export class Heart {
  readonly pid: number;
  readonly #file: string;

  private constructor(pid: number, file: string) {
    this.pid = pid;
    this.#file = file;
  }

  static async start(program: string, directory: string, args: readonly string[]): Promise<Heart> {
    const file = path.join(directory, "beats");
    const child = spawn(program, [file, ...args], { detached: true, stdio: "ignore", cwd: directory });
    if (child.pid === undefined) throw new Error(`${program} could not be started`);
    const heart = new Heart(child.pid, file);
    while (!existsSync(file) || heart.count() < 20) await sleep(5);
    return heart;
  }

  count(): number {
    const buffer = Buffer.alloc(8);
    const fd = openSync(this.#file, "r");
    const size = readSync(fd, buffer);
    closeSync(fd);
    return size === 8 ? Number(buffer.readBigUInt64LE()) : 0;
  }

  /** All beats that are still noted, in order, ns. */
  beats(): number[] {
    const bytes = readFileSync(this.#file);
    const count = Number(bytes.readBigUInt64LE());
    const first = Math.max(0, count - BEATS);
    return Array.from({ length: count - first }, (_, i) => Number(bytes.readBigInt64LE(8 + 8 * ((first + i) % BEATS))));
  }

  async beatsAfter(count: number): Promise<void> {
    while (this.count() <= count) await sleep(1);
  }

  /** The longest time without a beat since then. */
  largestGapSince(since: number): number {
    const beats = this.beats();
    return Math.max(...beats.slice(1).map((at, i) => (at >= since ? at - (beats[i] ?? at) : 0)));
  }

  /** All of the tree; the root is its group's and session's leader. */
  kill(): void {
    process.kill(-this.pid, "SIGKILL");
  }

  gone(): boolean {
    return !existsSync(`/proc/${this.pid}`);
  }
}
