/** What can be known before anything is frozen. */

import { closeSync, constants, openSync } from "node:fs";

import { moduleProblem } from "../check/module.js";
import { CrctlError, isSystemError } from "../errors.js";
import { native } from "../native.js";
import { hasEnded, isKernelThread, parseStat, type ProcStat } from "../proc/stat.js";
import { statusNumber } from "../proc/status.js";

/** Throws if the task cannot be the root of a dump. */
export function checkTarget(pid: number): ProcStat {
  const [text, status] = native().readTexts([`/proc/${pid}/stat`, `/proc/${pid}/status`]);
  if (typeof text !== "string" || typeof status !== "string") {
    throw new CrctlError("E_PID_NOT_FOUND", `there is no task ${pid}`, { pid });
  }
  const stat = parseStat(text);
  const task = `task ${pid} (${stat.comm})`;
  const details = { pid, comm: stat.comm };
  const group = statusNumber(status, "Tgid");
  if (group !== undefined && group !== pid) {
    throw new CrctlError("E_PID_NOT_FOUND", `${task} is a thread of process ${group}, not a process`, {
      ...details,
      hint: `use -t ${group}`,
    });
  }
  if (isKernelThread(stat)) throw new CrctlError("E_KERNEL_THREAD", `${task} is a kernel thread`, details);
  checkNotSelf(pid, stat.comm);
  if (hasEnded(stat)) {
    throw new CrctlError("E_ZOMBIE", `${task} has ended, and only waits for its parent to notice`, details);
  }
  const tracer = statusNumber(status, "TracerPid");
  if (tracer !== undefined && tracer !== 0) throw traced(pid, stat.comm, tracer);
  return stat;
}

export function traced(pid: number, comm: string | undefined, tracer: number | undefined): CrctlError {
  const [text] = tracer === undefined ? [] : native().readTexts([`/proc/${tracer}/stat`]);
  const tracerName = typeof text === "string" ? ` (${parseStat(text).comm})` : "";
  const by = tracer === undefined ? "" : ` by task ${tracer}${tracerName}`;
  return new CrctlError("E_TRACED", `task ${pid}${comm === undefined ? "" : ` (${comm})`} is being traced${by}`, {
    pid,
    ...(comm === undefined ? {} : { comm }),
    hint: "end the debugger or strace first",
  });
}

/** Freezing ourselves, or somebody who waits for us, would be the end. */
function checkNotSelf(pid: number, comm: string): void {
  if (pid === process.pid) throw new CrctlError("E_SELF", `task ${pid} is crctl itself`, { pid, comm });
  for (let ancestor = process.ppid; ancestor > 0;) {
    if (ancestor === pid) {
      throw new CrctlError("E_SELF", `task ${pid} (${comm}) is an ancestor of crctl, which would freeze with it`, {
        pid,
        comm,
        hint: "run crctl from outside of the tree, for instance by setsid from another shell",
      });
    }
    const [text] = native().readTexts([`/proc/${ancestor}/stat`]);
    if (typeof text !== "string") break;
    ancestor = parseStat(text).ppid;
  }
}

export function checkModule(): void {
  const problem = moduleProblem();
  if (problem === undefined) return;
  throw new CrctlError("E_NO_MODULE", `the kernel has no /proc/<pid>/dump: ${problem.why}`, { hint: problem.hint });
}

/** Opening tells whether we may: a task that runs gives EBUSY only to those who could dump it. */
export function checkPermission(pid: number, comm: string): void {
  try {
    closeSync(openSync(`/proc/${pid}/dump`, constants.O_RDONLY));
  } catch (error) {
    if (!isSystemError(error) || error.code === "EBUSY") return;
    if (error.code === "EACCES" || error.code === "EPERM") {
      throw new CrctlError("E_PERMISSION", `no permission to dump task ${pid} (${comm})`, {
        pid,
        comm,
        hint: ptraceHint(),
      });
    }
    // whatever else it is will be named when the tree is frozen
  }
}

/** What ptrace(2) takes, and what Yama takes besides: Documentation/admin-guide/LSM/Yama.rst. */
export function ptraceHint(): string {
  const [scope] = native().readTexts(["/proc/sys/kernel/yama/ptrace_scope"]);
  const rule = "it takes what ptrace(2) takes: the same user and a task that is dumpable, or CAP_SYS_PTRACE";
  switch (typeof scope === "string" ? scope.trim() : "0") {
    case "1":
      return `${rule}; and as kernel.yama.ptrace_scope is 1, users may stop only their own descendants: set it to 0, or run crctl as root`;
    case "2":
      return `${rule}; and as kernel.yama.ptrace_scope is 2, CAP_SYS_PTRACE it must be: set it to 0, or run crctl as root`;
    case "3":
      return "kernel.yama.ptrace_scope is 3: nobody can be stopped by ptrace(2) until the next boot";
    default:
      return rule;
  }
}
