/**
 * A look at the tree while it still runs. What cannot be saved is found before anything is frozen; and code that has run
 * once is several times faster when it runs again on the frozen tree.
 */

import { CrctlError } from "../errors.js";
import { dumpDescription } from "../kinds/dump.js";
import { isPipe } from "../kinds/pipe.js";
import { MemoryTable } from "../kinds/memory.js";
import { native, type FrozenTask } from "../native.js";
import { parseStat } from "../proc/stat.js";
import { Contents } from "./contents.js";
import { Context } from "./context.js";
import { collectDescriptors } from "./descriptors.js";
import type { DumpOptions } from "./options.js";
import type { Outsiders } from "./outside.js";
import { Problems } from "./problems.js";
import { checkSessions } from "./session.js";
import { collectTasks, schedulingOf } from "./tasks.js";

/** Throws if the tree has what cannot be saved. What changes under our eyes is passed over: it is looked at again. */
export function prelook(options: DumpOptions, outsiders: Outsiders): void {
  const problems = new Problems();
  try {
    look(options, outsiders, problems);
  } catch (error) {
    if (error instanceof CrctlError && error.code === "E_TARGET_DIED") return;
    if (error instanceof Error && "errno" in error) return;
    throw error;
  }
  problems.check();
}

function look(options: DumpOptions, outsiders: Outsiders, problems: Problems): void {
  const states = collectTasks(listed(options.pid), problems);
  const live = states.filter((state) => !state.frozen.zombie);
  outsiders.except(new Set(states.map((state) => state.frozen.pid)));
  if (!options.shellJob) checkSessions(states, problems);
  schedulingOf(live);
  const { files } = collectDescriptors(live, problems);
  // nothing is kept of what this finds: only the problems count
  const contents = new Contents();
  const memory = new MemoryTable({ refuse: (problem) => problems.add(problem), contents: (stat, source) => contents.of(stat, source) });
  const context = new Context(files, options.pid, { problems, contents, memory, outsiders });
  // what is in a pipe changes while it is read
  for (const file of files) if (!isPipe(file)) dumpDescription(file, context);
}

function listed(root: number): FrozenTask[] {
  const tasks = native().listTree(root);
  const stats = native().readTexts(tasks.map(({ pid }) => `/proc/${pid}/stat`));
  return tasks.flatMap((task, i): FrozenTask[] => {
    const text = stats[i];
    if (typeof text !== "string") return [];
    return [{ ...task, zombie: /^[ZX]$/.test(parseStat(text).state) }];
  });
}
