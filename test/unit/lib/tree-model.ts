/** Trees that a kernel can really bring about: random histories of fork, setsid, setpgid, exit and wait. */

import type { TreeTask } from "../../../src/restore/tree.js";

interface Proc {
  pid: number;
  parent: Proc | undefined;
  sid: number;
  pgid: number;
  state: "live" | "zombie" | "gone";
  subreaper: boolean;
}

/** xorshift32: the same tree for the same seed on every machine. */
function generator(seed: number): (below: number) => number {
  let state = Math.imul(seed, 2654435761) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** The tree below pid 100, parents before their children. Orphans without a subreaper leave it, as to init. */
export function randomTree(seed: number): TreeTask[] {
  const random = generator(seed);
  const root: Proc = { pid: 100, parent: undefined, sid: 100, pgid: 100, state: "live", subreaper: true };
  const all: Proc[] = [root];
  let nextPid = 101;
  const steps = 5 + random(60);
  for (let i = 0; i < steps; i++) {
    const live = all.filter((proc) => proc.state === "live");
    const proc = live[random(live.length)];
    if (proc === undefined) break;
    switch (random(8)) {
      case 0:
        if (!all.some((other) => other.state !== "gone" && other.pgid === proc.pid)) proc.sid = proc.pgid = proc.pid;
        break;
      case 1: {
        const groups = [proc.pid, ...all.filter((other) => other.state !== "gone" && other.sid === proc.sid).map((other) => other.pgid)];
        if (proc.sid !== proc.pid) proc.pgid = groups[random(groups.length)] ?? proc.pid;
        break;
      }
      case 2:
        if (proc !== root) exit(proc, all, random(2) === 0);
        break;
      default:
        all.push({ pid: nextPid++, parent: proc, sid: proc.sid, pgid: proc.pgid, state: "live", subreaper: false });
    }
  }
  return inOrder(root, all);
}

/** Its children go to the root, the nearest subreaper; its parent may reap it at once. */
function exit(proc: Proc, all: readonly Proc[], reaped: boolean): void {
  const root = all[0];
  for (const child of all) if (child.parent === proc) child.parent = root;
  proc.state = reaped ? "gone" : "zombie";
}

function inOrder(root: Proc, all: readonly Proc[]): TreeTask[] {
  const tasks: TreeTask[] = [];
  const visit = (proc: Proc): void => {
    const { pid, sid, pgid, subreaper } = proc;
    const base = { pid, ppid: proc.parent?.pid ?? 1, pgid, sid, comm: `t${pid}`, subreaper };
    tasks.push(proc.state === "zombie" ? { ...base, zombie: { status: 0, signal: 17 } } : base);
    for (const child of all) if (child.parent === proc && child.state !== "gone") visit(child);
  };
  visit(root);
  return tasks;
}
