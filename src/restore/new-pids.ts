/** A tree with new process ids: what cannot be so, and what a person should know of the rest. */

import type { Image } from "../image/read.js";
import type { RestoreContext } from "./context.js";

export function checkNewPids(image: Image, context: RestoreContext): void {
  let processes = 0;
  for (const task of image.tasks) {
    const { comm, threads } = task;
    processes++;
    if (threads.length <= 1) continue;
    context.refuse({
      pid: task.pids[0] ?? 0,
      comm,
      code: "E_UNSUPPORTED",
      object: "threads",
      why: `it has ${threads.length} threads, whose ids are in its memory: the C library would signal, cancel and lock with the old ones`,
      hint: "restore it without --new-pids, as root or with CAP_CHECKPOINT_RESTORE",
    });
  }
  const whose = processes === 1 ? "its own id" : "its own id, its parent's and its children's";
  context.note(`--new-pids: what a program remembers of process ids (${whose}) is no longer true`);
}
