/**
 * Descriptors of pidfd_open(2). One can be made only when the process is there that it is about, and that is after the fork by which
 * tasks come to share descriptors: so the process makes it itself, of itself, and hands it to whoever had it.
 */

import type { PidFile } from "../image/schema.js";
import { O_NONBLOCK, O_RDWR, extraField } from "../proc/fdinfo.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { anonymousName, refuseInfo } from "./anonymous.js";
import { settableFlags } from "./open.js";
import { baseOf, descriptorOf, type DumpContext, type DumpHalf } from "./types.js";

const O_LARGEFILE = 0o100000;

// ---- dump ----

export const pidfdDump: DumpHalf = {
  claims: (found) => anonymousName(found) === "[pidfd]",

  dump(found, context): PidFile | undefined {
    const text = extraField(found.info, "Pid");
    if (text === undefined || !/^-?\d+$/.test(text)) {
      refuseInfo(found, "pidfd", context);
      return undefined;
    }
    const pid = Number(text);
    const why = whyNot(pid, found.info.flags, context);
    if (why !== undefined) {
      context.refuse({ ...descriptorOf(found), object: "pidfd", ...why });
      return undefined;
    }
    // -1: that process has been waited for
    return { ...baseOf(found), kind: "pidfd", pid: Math.max(pid, 0) };
  },
};

const CLOSE = "let the program close it before the dump";

function whyNot(pid: number, flags: number, context: DumpContext): { why: string; hint: string } | undefined {
  // PIDFD_THREAD, PIDFD_AUTOKILL
  if ((flags & ~(O_RDWR | O_NONBLOCK | O_LARGEFILE)) !== 0)
    return { why: "it is about a thread, or ends its process when it is closed, which is not saved yet", hint: CLOSE };
  if (pid === 0) return { why: "it is about a process of another pid namespace", hint: CLOSE };
  if (pid < 0 || context.inTree(pid)) return undefined;
  return {
    why: `it is about process ${pid}, which is not in the tree`,
    hint: `dump a tree that has that process too, or ${CLOSE}`,
  };
}

// ---- restore ----

export const pidfdRestore: RestoreHalf<PidFile> = (files, context) => {
  // what each has to give away comes before what it waits for
  const placed = files.map((file) => ({ file, slot: place(file, context) }));
  for (const { file, slot } of placed) {
    if (file.pid === 0) continue;
    const take = { type: OP.PIDFD_TAKE, slot, subject: context.subject(file) };
    for (const pid of context.holders(file)) context.inTask(pid, take);
    // messages are sent by the executor
    if (context.isPassed(file)) context.finish(take);
  }
};

function place(file: PidFile, context: RestoreContext): number {
  const subject = context.subject(file);
  const slot = context.slot();
  context.place(file, slot);
  const flags = settableFlags(file);
  if (file.pid === 0) {
    context.create({ type: OP.PIDFD, slot, arg: slot, flags, subject });
    return slot;
  }
  const giver = context.slot();
  context.create({ type: OP.PIDFD, slot, arg: giver, subject });
  context.inTask(file.pid, { type: OP.PIDFD_GIVE, slot: giver, flags, subject });
  return slot;
}
