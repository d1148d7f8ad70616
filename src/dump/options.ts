/** What a dump is asked to do, checked. */

import type { OutsideTcp } from "../kinds/types.js";

export interface DumpOptions {
  pid: number;
  dir: string;
  /** what becomes of the tree once the image is complete */
  after: "kill" | "run" | "stop";
  /** save a tree whose session or terminal lies outside of it */
  shellJob: boolean;
  outsideTcp: OutsideTcp;
  /** overwrite a complete image */
  force: boolean;
  /** how long to wait for a task to stop */
  freezeTimeoutMs: number;
}

export interface DumpResult {
  dir: string;
  id: string;
  pid: number;
  tasks: number;
  threads: number;
  zombies: number;
  /** of the image, holes not counted */
  bytes: bigint;
  frozenNs: bigint;
  totalNs: bigint;
  after: DumpOptions["after"];
  /** time by phase */
  phasesNs: Record<string, bigint>;
  warnings: readonly string[];
}

/** Where a dump tells how far it is. */
export interface Progress {
  /** the bytes to come are known */
  start(totalBytes: bigint): void;
  add(bytes: bigint): void;
  stop(): void;
}

export const NO_PROGRESS: Progress = { start: () => undefined, add: () => undefined, stop: () => undefined };
