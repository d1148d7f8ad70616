/**
 * Everything but the copying, once, while the tree still runs: JavaScript that has run before runs several times faster,
 * and the second time the tree is frozen. What this finds is thrown away; a tree that runs changes while it is looked at.
 */

import { CrctlError, isSystemError } from "../errors.js";
import { dumpDescription } from "../kinds/dump.js";
import { isPipe } from "../kinds/pipe.js";
import { isType, S_IFSOCK } from "../kinds/types.js";
import { MemoryTable } from "../kinds/memory.js";
import { native } from "../native.js";
import { Contents } from "./contents.js";
import { Context } from "./context.js";
import { collectDescriptors } from "./descriptors.js";
import type { DumpOptions } from "./options.js";
import type { Outsiders } from "./outside.js";
import { Problems } from "./problems.js";
import { checkSessions, ptysOf } from "./session.js";
import { collectTasks, schedulingOf } from "./tasks.js";

export function rehearse(options: DumpOptions, outsiders: Outsiders): void {
  try {
    look(options, outsiders);
  } catch (error) {
    // a task ended, a descriptor was closed; anything else would happen again
    if (error instanceof CrctlError || isSystemError(error)) return;
    throw error;
  }
}

function look(options: DumpOptions, outsiders: Outsiders): void {
  const problems = new Problems();
  const states = collectTasks(native().listTree(options.pid), problems);
  const live = states.filter((state) => !state.frozen.zombie);
  outsiders.except(new Set(states.map((state) => state.frozen.pid)));
  schedulingOf(live);
  const { files } = collectDescriptors(live, new Map(), problems);
  const contents = new Contents();
  const memory = new MemoryTable({ refuse: (problem) => problems.add(problem), contents });
  const context = new Context(files, options.pid, { problems, contents, memory, outsiders }, options.outsideTcp);
  // what is in a pipe or a socket changes while it is read
  const still = files.filter((file) => !isPipe(file) && !isType(file.stat, S_IFSOCK));
  const saved = still.map((file) => dumpDescription(file, context)).filter((file) => file !== undefined);
  checkSessions(states, ptysOf(saved), problems);
}
