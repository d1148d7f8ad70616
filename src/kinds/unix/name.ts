/** The name of a socket of AF_UNIX, and the file that the name once made, wherever that is now. */

import { closeSync, readlinkSync } from "node:fs";
import * as path from "node:path";

import type { UnixFile } from "../../image/schema.js";
import { native, type StatRecord, type UnixSocketRecord } from "../../native.js";
import { deviceOf } from "../../proc/mounts.js";
import { NAMING_PROBLEMS, makeIdentity, nameOf as nameOfLink } from "../identity.js";
import { S_IFSOCK, isType, type Found } from "../types.js";

type Name = Pick<UnixFile, "name" | "file" | "directory" | "moved">;

interface Reason {
  why: string;
  hint: string;
}

/** Or why it cannot be saved. */
export function nameOf(fd: number, socket: UnixSocketRecord, found: Found): Name | Reason {
  if (socket.name === undefined || socket.name.length === 0) return {};
  if (socket.name[0] === 0) return { name: socket.name };
  // the kernel counts the NUL behind a path
  const name = socket.name.subarray(0, socket.name.length - 1);
  const text = Buffer.from(name).toString();
  if (Buffer.compare(Buffer.from(text), name) !== 0) return NAMING_PROBLEMS["not-utf8"];
  const file = fileOf(fd, socket, text, found);
  if (file !== undefined && "why" in file) return file;
  const directory = text.startsWith("/") ? undefined : directoryOf(text, file?.path, found);
  const where = directory === undefined ? {} : { directory };
  if (file === undefined) return { name, ...where };
  const identity = makeIdentity(file.path, file.stat, false, 0);
  if (isSame(path.join(directory ?? "/", text), file.stat)) return { name, ...where, file: identity };
  const [{ via }] = found.holders;
  if (readlinkSync(`/proc/${via}/root`) !== "/")
    return { why: `the file that it is bound to is ${file.path} now, seen from another root directory`, hint: "let the program close it" };
  return { name, ...where, file: identity, moved: true };
}

interface File {
  path: string;
  stat: StatRecord;
}

/** Undefined: it has been removed. */
function fileOf(fd: number, socket: UnixSocketRecord, text: string, found: Found): File | Reason | undefined {
  const own = native().socketFile(fd);
  // it takes CAP_NET_ADMIN to ask for it: without, it is where it was made, or has been removed
  if (own < 0) return fileByName(socket, path.join(text.startsWith("/") ? "/" : cwdOf(found), text));
  try {
    const self = `/proc/self/fd/${own}`;
    const [[link], [stat]] = [native().readLinks([self]), native().stats([self], true)];
    if (typeof link !== "string" || typeof stat !== "object") return undefined;
    const naming = nameOfLink(link, stat, false);
    if (naming.state === "named") return { path: naming.path, stat };
    return naming.state === "deleted" ? undefined : NAMING_PROBLEMS[naming.state];
  } finally {
    closeSync(own);
  }
}

function fileByName(socket: UnixSocketRecord, full: string): File | undefined {
  const [stat] = native().stats([full], false);
  return typeof stat === "object" && leadsTo(full, stat, socket) ? { path: full, stat } : undefined;
}

/** Whether that socket is bound to that file. */
export function leadsTo(file: string, stat: StatRecord, { fileIno, fileDev }: UnixSocketRecord): boolean {
  return isType(stat, S_IFSOCK) && stat.ino === fileIno && deviceOf(file) === fileDev;
}

function isSame(full: string, { dev, ino }: StatRecord): boolean {
  const [stat] = native().stats([full], false);
  return typeof stat === "object" && stat.dev === dev && stat.ino === ino;
}

/** The working directory when it was bound: if its file is not there any more, it cannot be known. */
function directoryOf(text: string, file: string | undefined, found: Found): string {
  const cwd = cwdOf(found);
  if (file === undefined || path.join(cwd, text) === file) return cwd;
  const end = `/${path.normalize(text)}`;
  return file.endsWith(end) ? file.slice(0, -end.length) || "/" : cwd;
}

function cwdOf({ holders: [{ via }] }: Found): string {
  return readlinkSync(`/proc/${via}/cwd`);
}
