/** What this user may do to other tasks, and give to those that are restored. */

import { readdirSync } from "node:fs";

import { native } from "../native.js";
import { CAP, hasCapability } from "../proc/capabilities.js";
import { statusNumber } from "../proc/status.js";
import { moduleState } from "./module.js";
import { YES, limited, no, read, type Answer, type Probe } from "./types.js";

const EPERM = -1;
const EEXIST = -17;

export const RIGHTS: readonly Probe[] = [
  { id: "dump-any", about: "dumps of tasks of all users", ask: dumpAny },
  { id: "process-ids", about: "restores with the old process ids", ask: processIds },
  { id: "credentials", about: "restores of tasks of all users", ask: credentials },
  { id: "seccomp", about: "seccomp filters", ask: seccomp },
];

/** Documentation/admin-guide/LSM/Yama.rst: a setting of 3 is for the lifetime of the kernel, and for root too. */
function dumpAny(): Answer {
  const scope = read("/proc/sys/kernel/yama/ptrace_scope") ?? "0";
  const yama = `kernel.yama.ptrace_scope is ${scope}`;
  if (scope === "3") return no(`${yama}: nobody can dump anything until the next boot`);
  if (hasCapability(CAP.SYS_PTRACE)) return YES;
  if (scope === "2") return no(`${yama}: only those with CAP_SYS_PTRACE can dump`);
  if (scope === "1") return limited(`${yama}: without CAP_SYS_PTRACE you can dump your own descendants only`);
  return limited("without CAP_SYS_PTRACE you can dump your own tasks only");
}

/** An id that is taken: only those who may choose are told so. */
function processIds(): Answer {
  const answer = native().tryClone(process.pid);
  const value = `up to ${read("/proc/sys/kernel/pid_max") ?? "?"}`;
  if (answer === EEXIST) return { ...YES, value };
  if (answer === EPERM) return { ...limited("it takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN; restore --new-pids does without"), value };
  return no(`the kernel does not let ids be chosen (error ${-answer}); restore --new-pids does without`);
}

function credentials(): Answer {
  if (hasCapability(CAP.SETUID) && hasCapability(CAP.SETGID) && hasCapability(CAP.SETPCAP)) return YES;
  return limited("without CAP_SETUID, CAP_SETGID and CAP_SETPCAP only tasks with your own user, groups and capabilities come back");
}

function seccomp(): Answer {
  if (read("/proc/sys/kernel/seccomp/actions_avail") === undefined) return no("this kernel has no filters");
  // of CONFIG_CHECKPOINT_RESTORE, as reading filters is
  if (read("/proc/self/timers") === undefined) return no("the kernel needs CONFIG_CHECKPOINT_RESTORE: tasks with filters cannot be dumped");
  if (!hasCapability(CAP.SYS_ADMIN)) return no("reading them takes CAP_SYS_ADMIN: tasks with filters cannot be dumped");
  if (statusNumber(read("/proc/self/status") ?? "", "Seccomp") === 0) return YES;
  return no("crctl is under a filter itself, and then the kernel lets nobody read those of others");
}

/** Following a link in mfd/ takes a right of its own: tried with one of our own mappings. */
export function followsMappings(): Answer {
  if (!moduleState().entries) return no("it takes the module, which is not there");
  const [first] = readdirSync("/proc/self/mfd");
  const [stat] = native().stats([`/proc/self/mfd/${first ?? ""}`], true);
  if (typeof stat === "object") return YES;
  return limited("it takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: tasks with such memory cannot be dumped");
}
