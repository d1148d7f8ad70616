/** Whether the ids that the tree needs are free, and who has them if not. */

import { readFileSync } from "node:fs";

import type { Problem } from "../errors.js";
import { native } from "../native.js";
import { statusField, statusNumber } from "../proc/status.js";

/** Who needs an id. */
export interface PidUser {
  /** 0: a helper */
  pid: number;
  comm: string;
  what: "task" | "thread" | "leader";
}

const MAX_NAMED = 20;

export function checkPids(wanted: ReadonlyMap<number, PidUser>, problems: Problem[]): void {
  checkMaximum(wanted, problems);
  const used = native().pidsInUse([...wanted.keys()]);
  if (used.length === 0) return;
  const texts = native().readTexts(used.slice(0, MAX_NAMED).map((pid) => `/proc/${pid}/status`));
  texts.forEach((text, i) => {
    const pid = used[i] ?? 0;
    const user = wanted.get(pid);
    problems.push({
      code: "E_PID_IN_USE",
      object: user?.what === "leader" ? "id of a session or group leader that had ended" : `id of the ${user?.what ?? "task"}`,
      pid,
      ...(user === undefined || user.comm === "" ? {} : { comm: user.comm }),
      why: `the id ${pid} is in use: ${typeof text === "string" ? holder(pid, text) : "as the id of a process group or session"}`,
      hint: pid === process.pid ? "run the command again" : "end that process, or wait for it to end",
    });
  });
  if (used.length > MAX_NAMED) {
    problems.push({ code: "E_PID_IN_USE", object: "ids", why: `and ${used.length - MAX_NAMED} more ids are in use` });
  }
}

/** The dumping machine may have had more ids than this one. */
function checkMaximum(wanted: ReadonlyMap<number, PidUser>, problems: Problem[]): void {
  const limit = Number(readFileSync("/proc/sys/kernel/pid_max", "latin1"));
  let highest = 0;
  for (const pid of wanted.keys()) if (pid > highest) highest = pid;
  if (highest < limit) return;
  problems.push({
    code: "E_CONFLICT",
    object: "process ids",
    why: `the tree has ids up to ${highest}, this kernel gives none from ${limit} on`,
    hint: `sysctl kernel.pid_max=${highest + 1}`,
  });
}

function holder(pid: number, status: string): string {
  const comm = /^Name:\t(.*)$/m.exec(status)?.[1] ?? "?";
  const group = statusNumber(status, "Tgid");
  const owner = group === process.pid ? " of crctl itself" : "";
  if (group !== undefined && group !== pid) return `a thread of process ${group} (${comm})${owner}`;
  const zombie = statusField(status, "State")?.startsWith("Z") === true ? ", a zombie" : "";
  return `process ${pid} (${comm})${zombie}${owner}`;
}
