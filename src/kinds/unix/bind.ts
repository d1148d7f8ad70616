/** Names of sockets of AF_UNIX, and the files that some of them make. */

import type { UnixFile } from "../../image/schema.js";
import { native, type StatRecord, type UnixSocketRecord } from "../../native.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP, type Op } from "../../restore/plan.js";
import { S_IFSOCK, isType } from "../types.js";
import { unixSockets } from "./all.js";
import { leadsTo } from "./name.js";

/** The same for sockets of one type that have the same name. */
export function keyOfName({ name, type }: UnixFile): string | undefined {
  return name === undefined ? undefined : `${type} ${Buffer.from(name).toString("hex")}`;
}

export class Names {
  private readonly bound = new Set<UnixFile>();
  /** paths that have their file */
  private readonly made = new Set<string>();
  private sockets: UnixSocketRecord[] | undefined;

  constructor(private readonly context: RestoreContext) {}

  bind(file: UnixFile, slot: number): void {
    if (file.name === undefined || this.bound.has(file)) return;
    this.bound.add(file);
    const { context } = this;
    const subject = context.subject(file);
    const path = pathOf(file);
    if (path === undefined) {
      context.create({ type: OP.BIND, slot, data: file.name, subject });
      return;
    }
    const final = file.moved === true && file.file !== undefined ? file.file.path : path;
    if (!this.mayMake(file, path, final)) return;
    if (file.directory !== undefined) context.create({ type: OP.CHDIR, data: file.directory, subject });
    if (final === path) context.create({ type: OP.UNLINK, data: path, subject: { ...subject, path } });
    // what follows tells where it has made a file, should that have to go again
    context.create({ type: OP.BIND, slot, data: file.name, subject: { ...subject, path } });
    if (file.file === undefined) {
      context.create({ type: OP.UNLINK, data: path, subject: { ...subject, path } });
      return;
    }
    this.made.add(final);
    if (final !== path) context.create({ type: OP.RENAME, data: Buffer.from(`${path}\0${final}\0`), subject: { ...subject, path: final } });
    const { uid, gid, mode } = file.file;
    context.create({
      type: OP.SOCKET_FILE,
      data: final,
      a: BigInt(uid),
      b: BigInt(gid),
      flags: mode & 0o7777,
      subject: { ...subject, path: final },
    });
  }

  connect(file: UnixFile, slot: number, to: UnixFile, add: (op: Op) => void): void {
    const subject = this.context.subject(file);
    const moved = to.moved === true ? to.file : undefined;
    if (to.directory !== undefined && moved === undefined) add({ type: OP.CHDIR, data: to.directory, subject });
    add({ type: OP.CONNECT, slot, data: moved?.path ?? to.name ?? new Uint8Array(), subject });
  }

  private mayMake(file: UnixFile, path: string, final: string): boolean {
    // its own path is for a moment only, and so must be free
    const [there] = path === final ? [] : native().stats([path], false);
    const why =
      typeof there === "object"
        ? "the path that it was bound to is there"
        : this.made.has(path)
          ? "its path is that of another socket of the tree"
          : this.obstacle(final);
    if (why === undefined) return true;
    this.context.refuse({
      ...this.context.subject(file),
      code: "E_CONFLICT",
      object: "socket",
      path: typeof there === "object" ? path : final,
      why,
      hint: "end what uses it, or move it away",
    });
    return false;
  }

  /** A socket's file that nobody is bound to is of no use to anybody. */
  private obstacle(path: string): string | undefined {
    const [stat] = native().stats([path], false);
    if (typeof stat !== "object") return undefined;
    if (!isType(stat, S_IFSOCK)) return "its path is that of something else now";
    return this.isUsed(path, stat) ? "somebody else has a socket of that name" : undefined;
  }

  private isUsed(path: string, stat: StatRecord): boolean {
    this.sockets ??= unixSockets();
    return this.sockets.some((socket) => leadsTo(path, stat, socket));
  }
}

/** Where the name of a socket is a path: as seen from anywhere. */
function pathOf(file: UnixFile): string | undefined {
  if (file.name === undefined || file.name[0] === 0) return undefined;
  const text = Buffer.from(file.name).toString();
  return text.startsWith("/") ? text : `${file.directory ?? ""}/${text}`;
}
