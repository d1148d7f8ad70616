/**
 * Files of /proc/<pid>. Like a pidfd one can be opened only when the process is there, and from then on tells of that one, whatever it
 * executes: so the process opens it itself, and hands it to whoever had it.
 */

import { statfsSync } from "node:fs";

import type { ProcessFile } from "../image/schema.js";
import { native } from "../native.js";
import { O_PATH } from "../proc/fdinfo.js";
import { dependsOnRoot, isProcessFileName } from "../proc/files.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { PROC_SUPER_MAGIC } from "./identity.js";
import { openFlags } from "./open.js";
import { S_IFREG, baseOf, inodeKey, isType, sourceOf, type DumpContext, type DumpHalf, type Found } from "./types.js";

const O_DIRECTORY = 0o200000;

/** Whoever looks a name of net/ up has the kernel forget the entry that was there before. */
const PATH = /^\/proc\/([0-9]+)\/(?:([a-z0-9_]+)|(net\/[a-z0-9_]+)(?: \(deleted\))?)$/;

function parse(found: Found, context: DumpContext): { pid: number; name: string } | undefined {
  const [, pid = "", own, net] = PATH.exec(found.link) ?? [];
  const name = own ?? net ?? "";
  if (pid === "" || !isProcessFileName(name) || !context.inTree(Number(pid))) return undefined;
  if (dependsOnRoot(name) && native().readLinks([`/proc/${pid}/root`])[0] !== "/") return undefined;
  if (net !== undefined) return { pid: Number(pid), name };
  // not that of one before, which had the same id
  const [stat] = native().stats([found.link], false);
  return typeof stat === "object" && inodeKey(stat) === inodeKey(found.stat) ? { pid: Number(pid), name } : undefined;
}

// ---- dump ----

export const processFileDump: DumpHalf = {
  // what is not one of these is refused as a file of /proc
  claims: (found, context) =>
    isType(found.stat, S_IFREG) && parse(found, context) !== undefined && statfsSync(sourceOf(found)).type === PROC_SUPER_MAGIC,

  dump(found, context): ProcessFile | undefined {
    const known = parse(found, context);
    return known && { ...baseOf(found), kind: "process", ...known, position: found.info.position };
  },
};

// ---- restore ----

export const processFileRestore: RestoreHalf<ProcessFile> = (files, context) => {
  const [first] = files;
  if (first === undefined) return;
  const proc = openProc(first, context);
  // what each has to give away comes before what it waits for
  const placed = files.map((file) => ({ file, slot: place(file, proc, context) }));
  for (const { file, slot } of placed) {
    const take = { type: OP.PIDFD_TAKE, slot, subject: context.subject(file) };
    for (const pid of context.holders(file)) context.inTask(pid, take);
    // messages are sent by the executor
    if (context.isPassed(file) || file.position > 0n) context.finish(take);
    // what is behind that position is kept: it has to be of the process as it is then
    if (file.position > 0n) context.finish({ type: OP.SEEK, slot, a: file.position, subject: context.subject(file) });
  }
};

function place(file: ProcessFile, proc: number, context: RestoreContext): number {
  const subject = context.subject(file);
  const [slot, giver] = [context.slot(), context.slot()];
  context.place(file, slot);
  context.create({ type: OP.PIDFD, slot, arg: giver, subject });
  const flags = openFlags(file);
  context.inTask(file.pid, { type: OP.PROC_GIVE, slot: giver, arg: proc, flags, data: file.name, subject });
  return slot;
}

/** Where the process finds its own directory, whatever its root directory is. */
function openProc(file: ProcessFile, context: RestoreContext): number {
  const slot = context.slot();
  const [stat] = native().stats(["/proc"], true);
  const { ino, dev } = typeof stat === "object" ? stat : { ino: 0n, dev: 0n };
  context.create({ type: OP.OPEN, slot, flags: O_PATH | O_DIRECTORY, a: ino, b: dev, data: "/proc", subject: context.subject(file) });
  return slot;
}
