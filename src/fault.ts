/**
 * Faults on demand, for tests: CRCTL_FAULT names a point on the way of a command, and what is to happen there. That
 * whatever goes wrong leaves nothing behind can only be shown where it can be made to go wrong. docs/faults.md tells
 * how to use it; a unit test holds the lists there and here together.
 */

import { CrctlError } from "./errors.js";

interface Point {
  /** where it is */
  at: string;
  /** what could fail is over: the command can only be killed or stopped there */
  late?: true;
}

/** Points of the controller, in the order in which they are reached. */
const CONTROLLER_POINTS = {
  "dump.checked": { at: "the target can be dumped; nothing has been touched" },
  "dump.directory": { at: "the directory of the image has been made, and is not locked yet" },
  "dump.aside": { at: "--force: a file of the image that is to be overwritten goes aside" },
  "dump.opened": { at: "the directory is ready; the tree still runs" },
  "dump.reserved": { at: "room for the memory of the tasks has been reserved" },
  "dump.seize": { at: "a task is about to be stopped" },
  "dump.stopped": { at: "all threads of a task stand still" },
  "dump.frozen": { at: "the whole tree stands still" },
  "dump.held": { at: "--tcp-keep: packets of connections out of the tree are held back" },
  "dump.tasks": { at: "the state of the tasks has been read" },
  "dump.core": { at: "a task's /proc/<pid>/dump has been opened" },
  "dump.again": { at: "what stood in the way may pass by itself; the tree has been let go for a moment" },
  "dump.collected": { at: "everything is known, and nothing of it stands in the way" },
  "dump.head": { at: "the head of a core file has been written" },
  "dump.pages": { at: "some of a task's pages have been copied" },
  "dump.data": { at: "a file with shared memory or with the contents of a deleted file has been copied" },
  "dump.copied": { at: "everything has been copied; the tree still stands" },
  "dump.thawed": { at: "--leave-running: the tree goes on, the image is not complete" },
  "dump.metadata": { at: "a file of metadata has been written" },
  "dump.sync": { at: "all but the inventory is there, and maybe not on disk" },
  "dump.inventory": { at: "the inventory is on disk under another name" },
  "dump.renamed": { at: "the inventory has its name" },
  "dump.complete": { at: "the image is complete, the tree as it was before", late: true },
  "dump.left": { at: "--tcp-keep: they will stay held back if the tree is ended", late: true },
  "dump.ended": { at: "the tree has been ended, stopped or let go", late: true },

  "restore.read": { at: "the image has been read and checked" },
  "restore.planned": { at: "the plan is made; nothing has been started" },
  "restore.start": { at: "the executor is about to be started" },
  "restore.started": { at: "the executor has been started" },
  "restore.running": { at: "the executor has said that the tree runs", late: true },
} as const satisfies Record<string, Point>;

/** Points of the executor and the tasks that it forks (addon/executor/fault.c). */
const EXECUTOR_POINTS = {
  "executor.ready": { at: "it has read its plan; nothing has been made" },
  "executor.born": { at: "a process has been forked and knows its parent" },
  "executor.forked": { at: "all processes have passed the last barrier" },
  "executor.loaded": { at: "all tasks wait at the gate" },
  "executor.gate": { at: "attributes have been set from outside; the gate is about to be opened" },
  "executor.running": { at: "the gate is open, the controller has not been told", late: true },
} as const satisfies Record<string, Point>;

export const FAULT_POINTS: Readonly<Record<string, Point>> = { ...CONTROLLER_POINTS, ...EXECUTOR_POINTS };

/** What comes before the name of an operation of the restore plan: right before it is carried out. */
export const OPERATION = "executor.op.";

/**
 * fail: the step fails; kill: crctl is killed (SIGKILL); die: the process at that point is, which in the executor is not
 * the same; stop: that process is stopped (SIGSTOP) until somebody lets it go on.
 */
const ACTIONS = ["fail", "kill", "die", "stop"] as const;

export interface Fault {
  point: string;
  /** the first time is 1 */
  nth: number;
  action: (typeof ACTIONS)[number];
}

let armed: Fault | undefined;
let left = 0;

/** From the value of CRCTL_FAULT; empty or undefined for none. */
export function armFault(text: string | undefined, operations: readonly string[] = []): void {
  armed = text === undefined || text === "" ? undefined : parse(text, operations);
  left = armed?.nth ?? 0;
}

function parse(text: string, operations: readonly string[]): Fault {
  const [, point = "", nth = "1", action = "fail"] = /^([a-z.-]+)(?::([0-9]{1,9}))?(?:=([a-z]+))?$/.exec(text) ?? [];
  if (point === "") throw wrong(`not POINT[:NTH][=ACTION]: ${text}`);
  const known = point.startsWith(OPERATION) ? operations.includes(point.slice(OPERATION.length)) : Object.hasOwn(FAULT_POINTS, point);
  if (!known) throw wrong(`no such point: ${point}`);
  if (Number(nth) === 0) throw wrong(`times are counted from 1: ${text}`);
  const found = ACTIONS.find((candidate) => candidate === action);
  if (found === undefined) throw wrong(`no such action: ${action}; there are ${ACTIONS.join(", ")}`);
  if (found === "fail" && FAULT_POINTS[point]?.late === true) throw wrong(`nothing can fail any more at ${point}`);
  return { point, nth: Number(nth), action: found };
}

function wrong(why: string): CrctlError {
  return new CrctlError("E_USAGE", `CRCTL_FAULT: ${why}`, { hint: "docs/faults.md lists the points; unset it to have no faults" });
}

/** The command has come to a point. */
export function fault(point: keyof typeof CONTROLLER_POINTS): void {
  if (armed?.point !== point || left === 0 || --left > 0) return;
  switch (armed.action) {
    case "fail":
      throw new CrctlError("E_FAULT", `the fault that CRCTL_FAULT asked for: ${CONTROLLER_POINTS[point].at}`);
    case "kill":
    case "die":
      process.kill(process.pid, "SIGKILL");
      break;
    case "stop":
      process.kill(process.pid, "SIGSTOP");
      break;
  }
}

/** Whether one of these points is waited for: what leads to them may be left out if not. */
export function faultWanted(...points: readonly (keyof typeof CONTROLLER_POINTS)[]): boolean {
  return points.some((point) => point === armed?.point);
}

/** The fault that the executor is to be given with its plan. */
export function executorFault(): Fault | undefined {
  return armed?.point.startsWith("executor.") === true ? armed : undefined;
}

/** The plan has such a step: the executor will come to it. */
export function executorFaultPlaced(): void {
  left = 0;
}

/** A fault that was asked for, and did not happen. */
export function unreachedFault(): string | undefined {
  return armed === undefined || left === 0 ? undefined : `${armed.point}:${armed.nth}`;
}
