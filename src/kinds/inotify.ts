/** Descriptors of inotify_init(2). What they watch is known as an inode, and has to be found by its name again. */

import { closeSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

import { isShortage } from "../errors.js";
import type { FileIdentity, InotifyFile, InotifyWatch } from "../image/schema.js";
import { native, type StatRecord } from "../native.js";
import { parseFdInfo } from "../proc/fdinfo.js";
import { mountsOf } from "../proc/mounts.js";
import { Walk } from "../proc/walk.js";
import type { RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { anonymousName, refuseInfo } from "./anonymous.js";
import { makeIdentity, nameOf } from "./identity.js";
import { placeMade } from "./open.js";
import { duplicateOf } from "./duplicates.js";
import { baseOf, descriptorOf, inodeOf, type DumpContext, type DumpHalf, type Found } from "./types.js";

// ---- dump ----

/** A line of fdinfo, proc(5); the handle of the inode is there where its file system has any. */
const WATCH = /^inotify wd:([0-9a-f]+) ino:([0-9a-f]+) sdev:([0-9a-f]+) mask:([0-9a-f]+) ignored_mask:[0-9a-f]+ ?(.*)$/;
const HANDLE = /^fhandle-bytes:[0-9a-f]+ fhandle-type:([0-9a-f]+) f_handle:((?:[0-9a-f]{2})+)$/;

/** IN_DELETE_SELF, IN_DONT_FOLLOW of inotify(7) */
const DELETE_SELF = 0x400;
const DONT_FOLLOW = 0x02000000;

interface Inode {
  ino: bigint;
  /** as the kernel has it, major << 20 | minor */
  sdev: bigint;
  handle?: { type: number; bytes: Uint8Array };
}

export const inotifyDump: DumpHalf = {
  // "anon_inode:inotify": without the brackets that others have
  claims: (found) => anonymousName(found) === "inotify",

  dump(found, context): InotifyFile | undefined {
    const refuse = (why: string, hint: string): void => {
      context.refuse({ ...descriptorOf(found), object: "inotify instance", why, hint });
    };
    const unread = unreadBytes(found);
    if (unread > 0) {
      refuse(`it has events that have not been read (${unread} bytes)`, "let the program read them before the dump");
      return undefined;
    }
    const watches: InotifyWatch[] = [];
    for (const line of found.info.extra) {
      const watch = parseWatch(line);
      if (watch === undefined) {
        refuseInfo(found, "inotify instance", context);
        return undefined;
      }
      const { wd, mask, inode } = watch;
      const identity = findInode(inode, found, context);
      if (identity === undefined) {
        refuse(
          `no name is found of the file that its watch ${wd} is on (inode ${inode.ino} of device ${inode.sdev >> 20n}:${inode.sdev & 0xfffffn})`,
          "let the program remove the watch before the dump, or have its working directory near the file; with CAP_DAC_READ_SEARCH most file systems tell the name",
        );
        return undefined;
      }
      watches.push({ wd, mask, identity });
    }
    return { ...baseOf(found), kind: "inotify", watches: watches.sort((a, b) => a.wd - b.wd) };
  },
};

function parseWatch(line: string): { wd: number; mask: number; inode: Inode } | undefined {
  const match = WATCH.exec(line);
  if (match === null) return undefined;
  const [, wd = "", ino = "", sdev = "", mask = "", rest = ""] = match;
  return {
    wd: parseInt(wd, 16),
    mask: parseInt(mask, 16),
    inode: { ino: BigInt(`0x${ino}`), sdev: BigInt(`0x${sdev}`), ...handleOf(rest) },
  };
}

function unreadBytes(found: Found): number {
  const [holder] = found.holders;
  const fd = duplicateOf(holder);
  try {
    return native().unreadBytes(fd);
  } finally {
    closeSync(fd);
  }
}

function handleOf(text: string): { handle?: { type: number; bytes: Uint8Array } } {
  const match = HANDLE.exec(text);
  return match === null ? {} : { handle: { type: parseInt(match[1] ?? "", 16), bytes: Buffer.from(match[2] ?? "", "hex") } };
}

function findInode(inode: Inode, found: Found, context: DumpContext): FileIdentity | undefined {
  const known = byHandle(inode) ?? byDescriptor(inode, context) ?? byWalk(inode, found, context);
  return known === "deleted" ? undefined : known;
}

/** Any mount of the file system will do to open it; the name that the kernel gives then leads through that mount. */
function byHandle({ sdev, handle }: Inode): FileIdentity | "deleted" | undefined {
  if (handle === undefined) return undefined;
  for (const mount of mountsOf(sdev)) {
    const fd = native().openByHandle(mount, handle.type, handle.bytes);
    if (fd < 0) continue;
    try {
      const path = `/proc/self/fd/${fd}`;
      const [[link], [stat]] = [native().readLinks([path]), native().stats([path], true)];
      const identity = typeof link === "string" && typeof stat === "object" ? named(link, stat) : undefined;
      if (identity !== undefined) return identity;
      if (typeof stat === "object" && stat.nlink === 0) return "deleted";
    } finally {
      closeSync(fd);
    }
  }
  return undefined;
}

/** Something that the tree has open. */
function byDescriptor({ ino, sdev }: Inode, context: DumpContext): FileIdentity | undefined {
  for (const { link, stat } of context.files) {
    const own = inodeOf(stat);
    const identity = own.ino === ino && own.sdev === sdev ? named(link, stat) : undefined;
    if (identity !== undefined) return identity;
  }
  return undefined;
}

/** By device. They last as long as crctl: what the walk of the rehearsal has found is at hand when the tree stands still. */
const walks = new Map<bigint, Walk>();

/** Near what the tree has open and where it works, then anywhere on the file system. */
function byWalk(inode: Inode, found: Found, context: DumpContext): FileIdentity | undefined {
  const { ino, sdev } = inode;
  let walk = walks.get(sdev);
  if (walk === undefined) walks.set(sdev, (walk = new Walk(sdev)));
  const near = native().readLinks(found.holders.map(({ via }) => `/proc/${via}/cwd`));
  const open = context.files.map(({ link }) => dirname(link));
  const starts = [...new Set([...near, ...open])].filter((path) => typeof path === "string").filter((path) => path.startsWith("/"));
  const stats = native().stats(starts, true);
  walk.startAt(starts.filter((_, i) => isOn(stats[i], sdev)));
  for (const path of walk.find(ino)) {
    if (!isWatchedAs(path, inode)) continue;
    const [stat] = native().stats([path], false);
    const identity = typeof stat === "object" ? named(path, stat) : undefined;
    if (identity !== undefined) return identity;
  }
  return undefined;
}

/** Directories have the device of their file system where nothing opens them by a handle. */
function isOn(stat: StatRecord | number | undefined, sdev: bigint): boolean {
  return typeof stat === "object" && inodeOf(stat).sdev === sdev;
}

/** Whether a watch on that file looks the same, whatever numbers stat(2) has for it. */
function isWatchedAs(path: string, { ino, sdev }: Inode): boolean {
  let fd: number;
  try {
    fd = native().newWatch(path, DELETE_SELF | DONT_FOLLOW);
  } catch (error) {
    if (isShortage(error)) throw error;
    return false; // not for us, or gone
  }
  try {
    const [line = ""] = parseFdInfo(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1")).extra;
    const own = parseWatch(line)?.inode;
    return own?.ino === ino && own.sdev === sdev;
  } finally {
    closeSync(fd);
  }
}

function named(link: string, stat: StatRecord): FileIdentity | undefined {
  const naming = nameOf(link, stat, false);
  return naming.state === "named" ? makeIdentity(naming.path, stat, false) : undefined;
}

// ---- restore ----

export const inotifyRestore: RestoreHalf<InotifyFile> = (files, context) => {
  for (const file of files) {
    const slot = context.slot();
    context.create({ type: OP.INOTIFY, slot, subject: context.subject(file) });
    placeMade(file, slot, context);
    for (const { wd, mask, identity } of file.watches) {
      const subject = { ...context.subject(file), object: "inotify watch", path: identity.path };
      const stat = context.examine(identity, subject, { anyContents: true });
      // once nobody opens or closes files any more: those would be events
      if (stat !== undefined)
        context.finish({ type: OP.INOTIFY_ADD, slot, arg: wd, flags: mask, a: stat.ino, b: stat.dev, data: identity.path, subject });
    }
  }
};
