/** Sets and queues of a tree, and what it takes to tell which those are. */

import type { CoreHead, UndoEntry } from "../../image/elfcore.js";
import type { Ipc } from "../../image/schema.js";
import { native } from "../../native.js";
import { hasEnded, parseStat } from "../../proc/stat.js";
import type { RestoreContext } from "../../restore/context.js";
import type { Users } from "./objects.js";
import { dumpQueues, restoreQueues } from "./queues.js";
import { dumpSemaphores, restoreSemaphores } from "./semaphores.js";

/** semop(2), semtimedop(2); msgsnd(2), msgrcv(2) */
const SEMAPHORE_CALLS: ReadonlySet<bigint> = new Set([65n, 220n]);
const QUEUE_CALLS: ReadonlySet<bigint> = new Set([69n, 70n]);

export function dumpIpc(cores: readonly { pid: number; head: CoreHead }[], users: Omit<Users, "outsider">): Ipc {
  const undo = new Map<number, UndoEntry[]>();
  const [sets, queues] = [new Set<number>(), new Set<number>()];
  for (const { pid, head } of cores) {
    undo.set(pid, head.semUndo());
    for (const { number, argument } of head.calls()) {
      const id = Number(BigInt.asIntN(32, argument));
      if (SEMAPHORE_CALLS.has(number)) sets.add(id);
      else if (QUEUE_CALLS.has(number)) queues.add(id);
    }
  }
  const all = { ...users, outsider: nameOfLiving };
  return { semaphores: dumpSemaphores({ sleeping: sets, undo }, all), queues: dumpQueues(queues, all) };
}

export function restoreIpc({ semaphores, queues }: Ipc, context: RestoreContext): void {
  restoreSemaphores(semaphores, context, nameOfLiving);
  restoreQueues(queues, context, nameOfLiving);
}

/** Undefined: nobody, or one that has ended. */
function nameOfLiving(pid: number): string | undefined {
  if (pid <= 0) return undefined;
  const [text] = native().readTexts([`/proc/${pid}/stat`]);
  if (typeof text !== "string") return undefined;
  const stat = parseStat(text);
  return hasEnded(stat) ? undefined : `process ${pid} (${stat.comm})`;
}
