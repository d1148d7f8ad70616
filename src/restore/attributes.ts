/** What is set on a task from outside while it waits at the gate: limits, scheduling, cgroup, stops. */

import { accessSync, constants, existsSync, readFileSync } from "node:fs";

import type { Rlimit, Sched, Task } from "../image/schema.js";
import { Struct } from "../image/struct.js";
import { unifiedCgroup } from "../proc/cgroup.js";
import { OP, type Op, type Subject } from "./plan.js";

/** struct sched_attr of sched_setattr(2), its first version. */
const SchedAttr = new Struct({
  size: "u32",
  policy: "u32",
  flags: "u64",
  nice: "s32",
  priority: "u32",
  runtime: "u64",
  deadline: "u64",
  period: "u64",
});

/** sched_flags that sched_setattr(2) takes back: RESET_ON_FORK, RECLAIM, DL_OVERRUN. */
const SETTABLE_FLAGS = 7n;

export class AttributePlanner {
  /** equal values are one piece of data in the plan */
  private readonly limits = new Map<string, Uint8Array>();
  private readonly scheds = new Map<string, Uint8Array>();
  private readonly masks = new Map<string, Uint8Array>();
  private readonly own = new Map<string, string>();
  private readonly cgroups = new Map<string, string | undefined>();
  private unifiedMount: string | undefined;

  constructor(private readonly note: (text: string) => void) {}

  plan(task: Task): Op[] {
    const pid = task.pids[0] ?? 0;
    const subject = { pid, comm: task.comm };
    const ops: Op[] = [];
    if (task.rlimits !== undefined) {
      const data = cached(this.limits, task.rlimits.map(({ soft, hard }) => `${soft}:${hard}`).join(), () =>
        encodeLimits(task.rlimits ?? []),
      );
      ops.push({ type: OP.RLIMITS, arg: pid, data, subject: { ...subject, object: "resource limits" } });
    }
    for (const thread of task.threads) ops.push(...this.schedule(thread.pids[0] ?? pid, thread.sched, subject));
    if (task.oomScoreAdj !== undefined) ops.push(...this.procFile(pid, "oom_score_adj", String(task.oomScoreAdj), subject));
    // there is no such file where the kernel has no autogroups
    if (task.autogroupNice !== undefined && task.autogroupNice !== 0) {
      ops.push(...this.procFile(pid, "autogroup", String(task.autogroupNice), subject));
    }
    if (task.cgroup !== undefined) ops.push(...this.cgroup(pid, task.cgroup, subject));
    if (task.state === "stopped") ops.push({ type: OP.STOP, arg: pid, subject });
    return ops;
  }

  private schedule(tid: number, sched: Sched, subject: Subject): Op[] {
    const id = `${sched.policy}:${sched.flags}:${sched.nice}:${sched.priority}:${sched.runtime}:${sched.deadline}:${sched.period}`;
    return [
      { type: OP.SCHED, arg: tid, data: cached(this.scheds, id, () => encodeSched(sched)), subject: { ...subject, object: "scheduling" } },
      {
        type: OP.AFFINITY,
        arg: tid,
        data: cached(this.masks, sched.affinity, () => encodeMask(sched.affinity)),
        subject: { ...subject, object: "CPU affinity" },
      },
      { type: OP.IOPRIO, arg: tid, a: BigInt(sched.ioprio), subject: { ...subject, object: "I/O priority" } },
    ];
  }

  /** A value that our own process has too is inherited. */
  private procFile(pid: number, name: string, value: string, subject: Subject): Op[] {
    let own = this.own.get(name);
    if (own === undefined) {
      own = existsSync(`/proc/self/${name}`) ? readFileSync(`/proc/self/${name}`, "latin1").trim() : "";
      this.own.set(name, own);
    }
    if (own === value) return [];
    return [{ type: OP.PROCFILE, arg: pid, data: `${name}\0${value}`, subject: { ...subject, path: `/proc/${pid}/${name}` } }];
  }

  private cgroup(pid: number, path: string, subject: Subject): Op[] {
    if (!this.cgroups.has(path)) this.cgroups.set(path, this.findCgroup(path));
    const file = this.cgroups.get(path);
    return file === undefined ? [] : [{ type: OP.CGROUP, arg: pid, data: file, subject: { ...subject, object: "cgroup", path } }];
  }

  /** It takes the right to write to where they go, and to what is above both; cgroups(7), delegation. */
  private mayMove(from: string, to: string): boolean {
    return [to === "/" ? "" : to, commonCgroup(from, to)].every((cgroup) => isWritable(`${this.unifiedMount ?? ""}${cgroup}/cgroup.procs`));
  }

  /** Its cgroup.procs; undefined if tasks are there anyway, or must stay where the caller is. */
  private findCgroup(path: string): string | undefined {
    const own = unifiedCgroup(readFileSync("/proc/self/cgroup", "latin1")) ?? "/";
    if (own === path) return undefined;
    this.unifiedMount ??= unifiedMountPoint(readFileSync("/proc/self/mountinfo", "utf8")) ?? "";
    const file = `${this.unifiedMount}${path === "/" ? "" : path}/cgroup.procs`;
    const there = this.unifiedMount !== "" && existsSync(file);
    if (there && this.mayMove(own, path)) return file;
    this.note(
      `${there ? `you may not move tasks into the cgroup ${path}` : `the cgroup ${path} does not exist here`}: its tasks go into the caller's`,
    );
    return undefined;
  }
}

/** The nearest cgroup that is above both, or one of them. */
export function commonCgroup(one: string, other: string): string {
  const a = one.split("/").filter(Boolean);
  const b = other.split("/").filter(Boolean);
  const end = a.findIndex((name, i) => name !== b[i]);
  return a
    .slice(0, end < 0 ? a.length : end)
    .map((name) => `/${name}`)
    .join("");
}

function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function encodeLimits(limits: readonly Rlimit[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(limits.flatMap(({ soft, hard }) => [soft, hard])).buffer);
}

function encodeSched(sched: Sched): Uint8Array {
  const bytes = new Uint8Array(SchedAttr.size);
  const { policy, nice, priority, runtime, deadline, period } = sched;
  SchedAttr.write(new DataView(bytes.buffer), 0, {
    size: SchedAttr.size,
    policy,
    flags: sched.flags & SETTABLE_FLAGS,
    nice,
    priority,
    runtime,
    deadline,
    period,
  });
  return bytes;
}

/** Hex with the lowest CPU last, to bytes with the lowest CPU first. */
export function encodeMask(hex: string): Uint8Array {
  const digits = hex.length % 2 === 0 ? hex : `0${hex}`;
  return new Uint8Array(Buffer.from(digits, "hex").toReversed());
}

/** Where the unified hierarchy is mounted with its root; proc_pid_mountinfo(5). */
export function unifiedMountPoint(mountinfo: string): string | undefined {
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, mountPoint] = before.split(" ");
    if (after.startsWith("cgroup2 ") && root === "/") return mountPoint;
  }
  return undefined;
}
