/** Commands that are made to fail at a given point (docs/faults.md), and what must hold afterwards. */

import { expect } from "chai";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { crctl, type Outcome } from "./crctl.js";
import { newDirectory } from "./directories.js";
import { pidsOfTree, stateOf, type TreeView } from "./procfs.js";
import { Program, type Tree } from "./program.js";
import { until } from "./wait.js";

/** A few tasks with threads, sessions and groups, a zombie, one that is stopped, a pipe, shared memory, a file. */
const SPECIFICATION = [
  // more than is copied in one go
  "task -1 live 0 0 2 1200",
  "task 0 live 0 2 1 5",
  "task 0 live 0 1 0 3",
  "task 1 live 0 0 0 2",
  "task 0 zombie 256 0 0 0",
  "task 0 stopped 0 0 0 1",
  "pipe 5000 65536 1 2",
  "memory 20",
  "map 0 0 0 20",
  "map 0 1 5 10",
  "pair 1 1 3000 1 2",
  "pair 2 1 3000 1 2",
  "pair 2 2 3000 1 2",
  "watch 5 3",
];

export function specification(directory: string): string {
  const file = path.join(directory, "specification");
  writeFileSync(file, [...SPECIFICATION, `file ${path.join(directory, "file")} 3 1234`, ""].join("\n"));
  return file;
}

export function workload(): Promise<Program> {
  const directory = newDirectory();
  return Program.start("random_tree", [specification(directory)], { directory });
}

/** CRCTL_FAULT_SHARE: with 3, each run tries every third point, beginning with any; after some runs all have been tried. */
const SHARE = Number(process.env.CRCTL_FAULT_SHARE ?? 1);
if (!Number.isInteger(SHARE) || SHARE < 1) throw new Error(`CRCTL_FAULT_SHARE: ${process.env.CRCTL_FAULT_SHARE} is not a number from 1`);

/** Of many points those whose turn it is; all, if nobody asks for a share only. */
export function share<T>(all: readonly T[]): T[] {
  const first = Math.floor(Math.random() * Math.min(SHARE, all.length));
  return all.filter((_, i) => i % SHARE === first);
}

/** The command, with a fault. */
export function faulty(fault: string, args: readonly string[]): Promise<Outcome> {
  return crctl(args, { env: { ...process.env, CRCTL_FAULT: fault } });
}

export interface Paused {
  pid: number;
  /** Lets it go on to its end. */
  go(): Promise<Outcome>;
}

/** Starts a command that stops when it comes to that point. */
export async function pausedAt(point: string, args: readonly string[]): Promise<Paused> {
  let pid = 0;
  let ended = false;
  const outcome = crctl(args, {
    env: { ...process.env, CRCTL_FAULT: `${point}=stop` },
    started: (number) => (pid = number),
  }).finally(() => (ended = true));
  await until(`crctl to come to ${point}`, () => ended || stateOf(pid) === "T");
  return {
    pid,
    go() {
      if (!ended) process.kill(pid, "SIGCONT");
      return outcome;
    },
  };
}

/** Adds what was asked for to an error. */
export async function naming(what: string, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (error instanceof Error) error.message = `at ${what}: ${error.message}`;
    throw error;
  }
}

function tracers(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map(
    (tid) => /^TracerPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/task/${tid}/status`, "utf8"))?.[1] ?? "",
  );
}

/** Nobody holds a thread of it. */
export async function untraced(root: number): Promise<void> {
  await until("nobody to trace it", () => pidsOfTree(root).every((pid) => tracers(pid).every((tracer) => tracer === "0")));
}

/** The tree goes on as if nothing had been tried: nobody traces it, and /proc shows what it showed before. */
export async function unharmed(tree: Tree, before: TreeView): Promise<void> {
  await untraced(tree.pid);
  await tree.mustLookLike(before);
}

/** It is unharmed, finds nothing wrong with itself, and sets itself up anew: how it looks then. */
export async function goesOn(program: Program, before: TreeView): Promise<TreeView> {
  await unharmed(program, before);
  await program.verify();
  return program.settled();
}

/** Where temporary files could be left. */
const TEMPORARY = ["/tmp", "/var/tmp", "/dev/shm", "/run"];

export interface Surroundings {
  files: Record<string, string[]>;
  /** System V objects: kind, key, id and permissions of each */
  sysv: string[];
  moduleUsers: string;
}

function surroundings(...directories: readonly string[]): Surroundings {
  return {
    files: Object.fromEntries(
      [...TEMPORARY, ...directories].filter((name) => existsSync(name)).map((name) => [name, readdirSync(name).sort()]),
    ),
    sysv: ["shm", "sem", "msg"].flatMap((kind) =>
      readFileSync(`/proc/sysvipc/${kind}`, "utf8")
        .split("\n")
        .slice(1, -1)
        .map((line) => [kind, ...line.trim().split(/\s+/).slice(0, 3)].join(" ")),
    ),
    moduleUsers: readFileSync("/sys/module/crctl/refcnt", "utf8").trim(),
  };
}

/** What must be the same after a failed restore: none of its tasks, no file more than before, nobody inside the module. */
export class Clean {
  readonly #before: Surroundings;

  constructor(
    private readonly pids: readonly number[],
    private readonly directories: readonly string[],
  ) {
    this.#before = surroundings(...directories);
  }

  async check(): Promise<void> {
    await until(
      () => `no task to be left, but ${this.pids.filter((pid) => stateOf(pid) !== undefined).join(", ")}`,
      () => this.pids.every((pid) => stateOf(pid) === undefined),
    );
    await until(
      () => `the module to be left alone: ${surroundings().moduleUsers} users, not ${this.#before.moduleUsers}`,
      () => surroundings().moduleUsers === this.#before.moduleUsers,
    );
    expect(surroundings(...this.directories)).to.deep.equal(this.#before);
  }
}

/** Ids of all threads, which are not to be there either. */
export function tidsOfTree(root: number): number[] {
  return pidsOfTree(root).flatMap((pid) => readdirSync(`/proc/${pid}/task`).map(Number));
}
