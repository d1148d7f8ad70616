/** The plan for people and for programs: what `crctl restore --check` prints. */

import { printable } from "../errors.js";
import type { BuiltPlan } from "./build.js";
import { OP, PROC_KIND, STAGE, operationName, type Op, type PlannedProcess } from "./plan.js";

const STAGE_NAMES = ["fork", "join groups", "leave own group", "load"] as const;
const KIND_NAMES: Readonly<Record<PlannedProcess["kind"], string>> = {
  [PROC_KIND.LIVE]: "task",
  [PROC_KIND.ZOMBIE]: "zombie",
  [PROC_KIND.HELPER]: "helper",
};

export interface JsonOp {
  op: string;
  slot?: number;
  arg?: number;
  flags?: number;
  data?: string;
}

export interface JsonPlan {
  slotBase: number;
  slots: number;
  barriers: string[];
  create: JsonOp[];
  /** of the executor itself, before and after the processes have found their groups */
  fork: JsonOp[];
  settle: JsonOp[];
  finish: JsonOp[];
  processes: { pid: number; kind: string; comm: string; parent: number; stages: Record<string, JsonOp[]> }[];
}

export function jsonPlan({ plan }: BuiltPlan): JsonPlan {
  return {
    slotBase: plan.slotBase,
    slots: plan.slotCount,
    barriers: [...plan.barriers].map((stage) => STAGE_NAMES[stage] ?? String(stage)),
    create: plan.create.map(jsonOp),
    fork: plan.fork.map(jsonOp),
    settle: plan.settle.map(jsonOp),
    finish: plan.finish.map(jsonOp),
    processes: plan.processes.map((process) => ({
      pid: process.pid,
      kind: KIND_NAMES[process.kind],
      comm: process.comm,
      parent: plan.processes[process.parent]?.pid ?? 0,
      stages: Object.fromEntries(
        process.stages.flatMap((ops, stage) => (ops.length === 0 ? [] : [[STAGE_NAMES[stage] ?? String(stage), ops.map(jsonOp)]])),
      ),
    })),
  };
}

/** A line for each process, and with `verbose` one for each operation. */
export function describePlan(built: BuiltPlan, verbose: boolean): string[] {
  const { plan } = built;
  const lines = [
    `${plan.create.length} operations make ${plan.slotCount} descriptors, from ${plan.slotBase} on; ${plan.finish.length} set attributes`,
  ];
  const show = (ops: readonly Op[], indent: string): void => {
    if (verbose) for (const op of ops) lines.push(`${indent}${describeOp(op)}`);
  };
  show(plan.create, "  ");
  for (const process of plan.processes) {
    const parent = plan.processes[process.parent];
    const fds = (process.stages[STAGE.FINAL] ?? []).filter((op) => op.type === OP.DUP).length;
    lines.push(
      `${KIND_NAMES[process.kind]} ${process.pid} (${printable(process.comm)}), child of ${parent === undefined ? "crctl" : parent.pid}` +
        (process.kind === PROC_KIND.LIVE ? `, ${fds} descriptors` : ""),
    );
    for (const ops of process.stages) show(ops, "    ");
  }
  show(plan.finish, "  ");
  return lines;
}

function jsonOp(op: Op): JsonOp {
  return {
    op: operationName(op.type),
    ...(op.slot === undefined ? {} : { slot: op.slot }),
    ...(op.arg === undefined ? {} : { arg: op.arg }),
    ...(op.flags === undefined ? {} : { flags: op.flags }),
    ...(typeof op.data === "string" ? { data: op.data } : {}),
  };
}

function describeOp(op: Op): string {
  const { op: name, slot, arg, flags, data } = jsonOp(op);
  return [
    name,
    ...(slot === undefined ? [] : [`slot ${slot}`]),
    ...(arg === undefined ? [] : [String(arg)]),
    ...(flags === undefined ? [] : [`flags 0${flags.toString(8)}`]),
    ...(data === undefined ? [] : [JSON.stringify(data)]),
  ].join(" ");
}
