/** Plans for the executor, run by real processes: each task's program keeps to the protocol of gate and report. */

import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writevSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";

import { native, nativePaths } from "../../../src/native.js";
import { parseStat } from "../../../src/proc/stat.js";
import { OP, PLAN_FD, STAGE, encodePlan, type Op, type Plan } from "../../../src/restore/plan.js";
import { planTree, type TreeTask } from "../../../src/restore/tree.js";
import { randomTree } from "./tree-model.js";

const PROGRAM = `
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* parked GATE REPORT [exit STATUS | kill SIGNAL | silent] */
int main(int argc, char **argv)
{
	char byte, line[32];
	int gate = atoi(argv[1]), report = atoi(argv[2]);
	const char *mode = argc > 3 ? argv[3] : "";
	sigset_t none;

	if (!strcmp(mode, "silent"))
		_exit(0);
	dprintf(report, "ready %d\\n", getpid());
	close(report);
	if (read(gate, &byte, 1) != 1)
		_exit(99);
	close(gate);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!strcmp(mode, "exit"))
		_exit(atoi(argv[4]));
	if (!strcmp(mode, "kill"))
		kill(getpid(), atoi(argv[4]));
	if (fork() == 0)	/* whatever pid the kernel has free */
		_exit(0);
	pause();
}
`;

const SLOT = { GATE: 0, REPORT: 1, FIRST: 2 };
/** of the program's own descriptors for gate and report */
const [GATE_FD, REPORT_FD] = [900, 901];

/** Each test has pids of its own: those of the last one may still be zombies that init has not got round to. */
let nextFree = 20000;

let dir = "";
let image = 0;

/** Compiles the program. Returns the directory that it is in. */
export function setUp(): string {
  dir = mkdtempSync(path.join(tmpdir(), "crctl-executor-"));
  writeFileSync(`${dir}/parked.c`, PROGRAM);
  const { status, stderr } = spawnSync("cc", ["-O1", "-static", "-o", `${dir}/parked`, `${dir}/parked.c`], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  image = openSync(dir, "r");
  return dir;
}

export function tearDown(): void {
  closeSync(image);
  rmSync(dir, { recursive: true });
}

interface Running {
  pid: number;
  status: number;
  text: string;
}

export function startPlan(plan: Plan): Running {
  const executor = nativePaths("crctl-executor").find((file) => spawnSync("test", ["-x", file]).status === 0);
  if (executor === undefined) throw new Error("the executor is not built");
  const fd = native().memfdCreate("test-plan", 1);
  writevSync(fd, encodePlan(plan).parts);
  const fds = [0, 1, 2];
  fds[PLAN_FD.PLAN] = fd;
  fds[PLAN_FD.STATUS] = -1;
  fds[PLAN_FD.IMAGE] = image;
  try {
    return { ...native().startExecutor(executor, fds), text: "" };
  } finally {
    closeSync(fd);
  }
}

/** The next line; undefined at the end. */
export function lineOf(run: Running): string | undefined {
  for (;;) {
    const end = run.text.indexOf("\n");
    if (end >= 0) {
      const line = run.text.slice(0, end);
      run.text = run.text.slice(end + 1);
      return line;
    }
    const more = native().readStatus(run.status, 20000);
    if (more === "") throw new Error("the executor says nothing");
    if (more === undefined) return undefined;
    run.text += more;
  }
}

export function finish(run: Running): string[] {
  const lines: string[] = [];
  for (let line = lineOf(run); line !== undefined; line = lineOf(run)) lines.push(line);
  native().waitChild(run.pid);
  closeSync(run.status);
  return lines;
}

export const parked = (...args: string[]): Op => ({
  type: OP.PROGRAM,
  data: [`${dir}/parked`, String(GATE_FD), String(REPORT_FD), ...args].join("\0"),
});

export interface Extra {
  create?: Op[];
  slots?: number;
  finish?: Op[];
  final?: (task: TreeTask) => Op[] | undefined;
}

export function planFor(tasks: readonly TreeTask[], extra: Extra = {}): Plan {
  const tree = planTree(tasks, { adoptSession: false, callerGroup: native().processGroup() });
  expect(tree.problems).to.deep.equal([]);
  tasks.forEach((task, i) => {
    const final = tree.processes[i]?.stages[STAGE.FINAL];
    if (task.zombie !== undefined) final?.push({ type: OP.DIE, arg: task.zombie.status });
    else {
      final?.push({ type: OP.DUP, slot: SLOT.GATE, arg: GATE_FD }, { type: OP.DUP, slot: SLOT.REPORT, arg: REPORT_FD });
      final?.push(...(extra.final?.(task) ?? [parked()]));
    }
  });
  return {
    detach: false,
    progress: false,
    newPids: false,
    barriers: tree.barriers,
    slotBase: 1000,
    slotCount: SLOT.FIRST + (extra.slots ?? 0),
    inherited: 0,
    root: 0,
    gateSlot: SLOT.GATE,
    reportSlot: SLOT.REPORT,
    processes: tree.processes,
    create: extra.create ?? [],
    fork: tree.fork,
    settle: tree.settle,
    finish: extra.finish ?? [],
    pids: tree.processes.map(({ pid }) => pid),
  };
}

export function statOf(pid: number): ReturnType<typeof parseStat> {
  return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
}

export function expectGone(pids: readonly number[]): void {
  expect(native().pidsInUse(pids)).to.deep.equal([]);
}

export function kill(pids: readonly number[]): void {
  for (const pid of pids.toReversed()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // a zombie that its parent's death has taken along
    }
  }
}

/**
 * Of live tasks: the id in the plan, which its program was started with, and the id that it has. What a program forks
 * has its arguments too, and comes behind it.
 */
export function oldIds(pids: readonly number[]): Map<number, number> {
  const ids = new Map<number, number>();
  for (const pid of pids) {
    const old = Number(/\0task(\d+)\0/.exec(readFileSync(`/proc/${pid}/cmdline`, "latin1"))?.[1] ?? 0);
    if (old !== 0 && !ids.has(old)) ids.set(old, pid);
  }
  return ids;
}

/** Until the condition holds; the kernel takes its time over ends of processes. */
export function eventually(what: string, holds: () => boolean): void {
  const end = Date.now() + 10000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${what}`);
    spawnSync("sleep", ["0.02"]);
  }
}

/** Neither alive nor unreaped by anybody but init. */
export function isOver(pid: number): boolean {
  try {
    return statOf(pid).state === "Z";
  } catch {
    return true;
  }
}

/** Pids of the model start at 100; here they must be free. */
export function shifted(seed: number): TreeTask[] {
  const offset = freshPids(200) - 100;
  const shift = (id: number): number => (id === 1 ? 1 : id + offset);
  return randomTree(seed).map((task) => ({
    ...task,
    pid: shift(task.pid),
    ppid: shift(task.ppid),
    pgid: shift(task.pgid),
    sid: shift(task.sid),
  }));
}

/** How many ids the rest of the machine may take while a test runs. */
const AHEAD = 4000;

/** The first of so many free ids; below the smallest default of pid_max, and not what others are given next. */
function freshPids(count: number): number {
  const last = Number(readFileSync("/proc/sys/kernel/ns_last_pid", "latin1"));
  for (;;) {
    const first = nextFree;
    nextFree += count;
    if (nextFree > 32000) nextFree = 2000;
    else if (first + count > last && first < last + AHEAD) continue;
    else if (native().pidsInUse(Array.from({ length: count }, (_, i) => first + i)).length === 0) return first;
  }
}

export function simple(count: number): TreeTask[] {
  const root = freshPids(count);
  return Array.from({ length: count }, (_, i) => ({
    pid: root + i,
    ppid: i === 0 ? 1 : root,
    pgid: root,
    sid: root,
    comm: `t${i}`,
    subreaper: false,
  }));
}
