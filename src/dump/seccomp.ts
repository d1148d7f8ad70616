/** Seccomp filters: ptrace(2) reads them, the kernel module does not. */

import type { Task } from "../image/schema.js";
import { native } from "../native.js";
import type { Core } from "./cores.js";
import type { Problems } from "./problems.js";

const SECCOMP_MODE_FILTER = 2;

/** undefined if no thread has any. */
export function readSeccomp(core: Core, problems: Problems): Task["seccomp"] {
  const { frozen, stat, status } = core.task;
  // threads can differ; most processes have none in any
  if (!/\nSeccomp:\s*[12]/.test(status) && frozen.threads.length === 1) return undefined;
  const found: NonNullable<Task["seccomp"]> = [];
  core.head.threads().forEach(({ seccomp_mode: mode, pids }, thread) => {
    if (mode === 0) return;
    const tid = pids[0] ?? 0;
    try {
      found.push({ thread, mode, filters: mode === SECCOMP_MODE_FILTER ? native().seccompFilters(tid) : [] });
    } catch (error) {
      problems.add({
        pid: frozen.pid,
        tid,
        comm: stat.comm,
        object: "seccomp filters",
        why: `they cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        hint: "reading them takes CAP_SYS_ADMIN, and a kernel with CONFIG_CHECKPOINT_RESTORE",
      });
    }
  });
  return found.length === 0 ? undefined : found;
}
