/** Processes whose first thread has exited. */

import type { Core } from "./cores.js";
import type { Problems } from "./problems.js";

/**
 * Children are forked by their parent's first thread when they are restored, which exits afterwards if it had. To a child that
 * wants a signal then, and had a parent that lives, its parent would seem to have ended.
 */
export function checkDeathSignals(cores: readonly Core[], problems: Problems): void {
  const left = new Set(cores.flatMap(({ task, head }) => (head.threads()[0]?.exited === 1 ? [task.frozen.pid] : [])));
  if (left.size === 0) return;
  for (const { task, head } of cores) {
    const { frozen, stat } = task;
    if (!left.has(frozen.ppid) || head.threads().every(({ pdeath_signal: signal }) => signal === 0)) continue;
    problems.add({
      pid: frozen.pid,
      comm: stat.comm,
      object: "parent death signal",
      why: `it wants a signal when its parent ends (PR_SET_PDEATHSIG), and the first thread of that, ${frozen.ppid}, has exited already`,
      hint: "the first thread must not end before the others",
    });
  }
}
