/** Where /proc tells of a process whose first thread may have exited. */

import type { FrozenTask } from "../native.js";

/**
 * The thread to ask: the first one that lives. Once it has exited, a process' own entry has no descriptors, no memory, no
 * directories and no namespaces any more; /proc/<tid>, which no listing of /proc shows, has those of all its threads.
 */
export function viaOf({ pid, threads }: Pick<FrozenTask, "pid" | "threads">): number {
  return threads[0] ?? pid;
}
