/** A restore from its image to a tree that runs. */

import { livingThreads } from "../image/schema.js";
import type { Progress } from "../dump/options.js";
import { fault } from "../fault.js";
import { readImage } from "../image/read.js";
import { buildPlan, type BuiltPlan } from "./build.js";
import { execute, type RunningTree } from "./executor.js";
import type { RestoreOptions, RestoreResult } from "./options.js";

/** Reads, checks and plans; changes nothing. */
export function prepare(options: RestoreOptions, progress: boolean): BuiltPlan {
  const image = readImage(options.dir);
  fault("restore.read");
  return buildPlan(image, options, progress);
}

export function restore(options: RestoreOptions, progress: Progress | undefined): { result: RestoreResult; tree: RunningTree } {
  const start = process.hrtime.bigint();
  const built = prepare(options, progress !== undefined);
  const planned = process.hrtime.bigint();
  fault("restore.planned");
  const bytes = [...built.pageBytes.values()].reduce((sum, size) => sum + size, built.dataBytes);
  progress?.start(bytes);
  let tree: RunningTree;
  try {
    tree = execute(built, { loaded: (some) => progress?.add(some) });
  } finally {
    progress?.stop();
  }
  const { inventory, tasks } = built.image;
  const zombies = tasks.filter((task) => task.state === "zombie").length;
  return {
    tree,
    result: {
      dir: options.dir,
      id: inventory.id,
      pid: tree.pid,
      tasks: tasks.length,
      threads: tasks.reduce((count, task) => count + livingThreads(task), 0),
      zombies,
      bytes,
      planNs: planned - start,
      totalNs: process.hrtime.bigint() - start,
      detached: options.detach,
      notes: built.notes,
    },
  };
}
