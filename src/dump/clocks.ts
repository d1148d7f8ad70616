/** The clocks of a tree, which may have a time namespace of its own: all of it the same one. */

import type { Inventory } from "../image/schema.js";
import { native } from "../native.js";
import { clockOffsets, machineClocks } from "../proc/clocks.js";
import { namespaceInode } from "../proc/ns.js";
import { viaOf } from "../proc/via.js";
import type { Problems } from "./problems.js";
import type { TaskState } from "./tasks.js";

const HINT = "dump a tree that was started in one time namespace, or run crctl inside it";

export function treeClocks(states: readonly TaskState[], root: number, problems: Problems): Pick<Inventory, "clocks" | "timeOffsets"> {
  const [time, forChildren] = native()
    .readLinks(["/proc/self/ns/time", "/proc/self/ns/time_for_children"])
    .map((link) => (typeof link === "string" ? namespaceInode(link) : undefined));
  if (time !== forChildren) {
    // what /proc tells of our clocks is about our children
    problems.add({ object: "namespace", why: "crctl's own time namespace is not that of its children", hint: HINT });
  }
  const rootState = states.find(({ frozen }) => frozen.pid === root);
  const first = rootState?.namespaces?.time;
  for (const { frozen, stat, namespaces } of states) {
    if (namespaces === undefined) continue;
    const details = { pid: frozen.pid, comm: stat.comm, object: "namespace", hint: HINT };
    if (namespaces.time !== first) problems.add({ ...details, why: "its time namespace is not that of the tree's root" });
    else if (namespaces.time_for_children !== first) problems.add({ ...details, why: "its children get another time namespace" });
  }
  const { realtime } = native().clocks();
  const machine = machineClocks();
  const timeOffsets = clockOffsets(rootState === undefined ? root : viaOf(rootState.frozen));
  return {
    clocks: {
      realtime,
      monotonic: machine.monotonic + timeOffsets.monotonic,
      boottime: machine.boottime + timeOffsets.boottime,
    },
    timeOffsets,
  };
}
