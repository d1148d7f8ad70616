/** Sockets of AF_UNIX, as they are found: unix(7). */

import type { UnixFile, UnixMessage } from "../../image/schema.js";
import { native, type UnixSocketRecord } from "../../native.js";
import { CAP, hasCapability } from "../../proc/capabilities.js";
import { withDuplicate } from "../duplicates.js";
import {
  baseOf,
  descriptorOf,
  S_IFSOCK,
  isOnItsWay,
  isType,
  type DumpContext,
  type DumpHalf,
  type Found,
  type Obstacle,
} from "../types.js";
import { GENERIC, obstacleOfFilter, readOptions } from "../socket-options.js";
import { unixSockets } from "./all.js";
import { LISTENING, POLLERR, isConnection, readMessages } from "./messages.js";
import { nameOf } from "./name.js";

const AF_UNIX = 1;
const CONNECTED = 1;

/** What is asked once in each dump. */
interface Table {
  /** every socket of the machine */
  byIno: ReadonlyMap<bigint, UnixSocketRecord>;
  /** those of the tree, be they open in a task or in a message only */
  own: ReadonlySet<bigint>;
  /** who waits to be accepted: by whom, and how many were there before */
  waiting: ReadonlyMap<bigint, { by: bigint; turn: number }>;
  /** what is unread in those of the tree; undefined: it cannot be saved */
  messages: ReadonlyMap<bigint, UnixMessage[] | undefined>;
}

const tables = new WeakMap<DumpContext, Table>();

function tableOf(context: DumpContext): Table {
  let table = tables.get(context);
  if (table === undefined) tables.set(context, (table = lookAround(context)));
  return table;
}

/** Messages hold descriptors, sockets among them: all are read before anything is said of who is connected to whom. */
function lookAround(context: DumpContext): Table {
  const sockets = unixSockets();
  const byIno = new Map(sockets.map((socket) => [socket.ino, socket]));
  const waiting = new Map(sockets.flatMap(({ ino: by, pending }) => (pending ?? []).map((client, turn) => [client, { by, turn }])));
  const messages = new Map<bigint, UnixMessage[] | undefined>();
  let own = socketsOf(context);
  // the other end of a socket may come out of a message of another one
  for (let known = -1; !context.running && known < own.size; own = socketsOf(context)) {
    known = own.size;
    for (const found of context.files) {
      const socket = isType(found.stat, S_IFSOCK) ? byIno.get(found.stat.ino) : undefined;
      if (socket === undefined || messages.has(socket.ino)) continue;
      // what leads out is not ours to look into
      if (context.standard(found.stat) !== undefined && isForeign(socket, { own, waiting })) continue;
      messages.set(socket.ino, readMessages(socket, found, context));
    }
  }
  return { byIno, own, waiting, messages };
}

/** By inode. */
function socketsOf({ files }: DumpContext): Set<bigint> {
  return new Set(files.filter(({ stat }) => isType(stat, S_IFSOCK)).map(({ stat }) => stat.ino));
}

/** Connected to a socket, accepted or not, of somebody else's. Not one whose other end has been closed, of which nothing else is told. */
function isForeign({ ino, peer }: UnixSocketRecord, { own, waiting }: Pick<Table, "own" | "waiting">): boolean {
  if (peer === undefined) return false;
  if (peer !== 0n) return !own.has(peer);
  const waits = waiting.get(ino);
  return waits !== undefined && !own.has(waits.by);
}

export const unixDump: DumpHalf = {
  prepare(context) {
    if (context.files.some(({ stat }) => isType(stat, S_IFSOCK))) tableOf(context);
  },

  claims(found, context) {
    if (!isType(found.stat, S_IFSOCK)) return false;
    const socket = tableOf(context).byIno.get(found.stat.ino);
    // one that leads out is the caller's to hand over where it is standard input, output or error
    return socket !== undefined && !(leadsOut(socket, context) && context.standard(found.stat) !== undefined);
  },

  dump(found, context): UnixFile | undefined {
    const socket = tableOf(context).byIno.get(found.stat.ino);
    if (socket === undefined) return undefined;
    const messages = tableOf(context).messages.get(socket.ino);
    if (messages === undefined) return undefined;
    return withDuplicate(found, (fd) => dumpSocket(fd, { socket, messages, found }, context));
  },

  look(found, context) {
    const socket = tableOf(context).byIno.get(found.stat.ino);
    const reason = socket === undefined ? undefined : obstacle(socket, context);
    if (reason !== undefined) context.refuse({ ...descriptorOf(found), object: "socket", ...reason });
    return undefined;
  },
};

interface Subject {
  socket: UnixSocketRecord;
  messages: UnixMessage[];
  found: Found;
}

function dumpSocket(fd: number, { socket, messages, found }: Subject, context: DumpContext): UnixFile | undefined {
  const name = nameOf(fd, socket, found);
  const credentials = credentialsOf(fd, socket);
  const why = obstacle(socket, context) ?? ("why" in name ? name : undefined) ?? obstacleOfFilter(fd, "name" in name);
  const reason = why ?? (isOnItsWay(found) ? strangePeer(credentials) : undefined);
  if (reason !== undefined || "why" in name) {
    context.refuse({ ...descriptorOf(found), object: "socket", ...(reason ?? { why: "its name cannot be saved" }) });
    return undefined;
  }
  return {
    ...baseOf(found),
    kind: "unix",
    ino: socket.ino,
    type: socket.type,
    state: socket.state === LISTENING ? "listening" : socket.peer === undefined ? "open" : "connected",
    ...name,
    backlog: socket.state === LISTENING ? socket.unsent : 0,
    peer: socket.peer ?? 0n,
    ...waitsFor(socket, context),
    shutdown: socket.shutdown,
    ...((native().pollState(fd) & POLLERR) !== 0 ? { reset: true as const } : {}),
    messages,
    options: readOptions(fd, { domain: AF_UNIX, type: socket.type, protocol: 0 }, GENERIC),
    ...credentials,
  };
}

/** Who the other end was is set by a task that has the socket. */
function strangePeer({ peerCredentials }: Pick<UnixFile, "peerCredentials">): Obstacle | undefined {
  if (peerCredentials === undefined) return undefined;
  if (peerCredentials.uid === process.geteuid?.() && peerCredentials.gid === process.getegid?.()) return undefined;
  return {
    why: "it is in a message that has not been received, and another user is at its other end",
    hint: "try again when the message has been received",
    transient: true,
  };
}

function leadsOut(socket: UnixSocketRecord, context: DumpContext): boolean {
  const { peer } = socket;
  return isForeign(socket, tableOf(context)) && !(context.running && peer !== undefined && peer !== 0n && mayBeOnItsWay(peer, context));
}

/** In a message of the tree's, which is not looked into while the tree runs: nobody who could be seen has it. */
function mayBeOnItsWay(ino: bigint, context: DumpContext): boolean {
  return hasCapability(CAP.SYS_PTRACE) && !context.outside(`socket:[${ino}]`);
}

function obstacle(socket: UnixSocketRecord, context: DumpContext): Obstacle | undefined {
  const { own, waiting, byIno } = tableOf(context);
  if (leadsOut(socket, context)) {
    return {
      code: "E_EXTERNAL",
      why: "it is connected to a socket of a task that is not in the tree",
      hint: "dump a tree that has both ends, or let the program close it before the dump",
    };
  }
  if (waiting.has(socket.ino) && socket.unsent > 0) {
    return {
      why: "what it has sent is in a connection that is not accepted yet",
      hint: "try again when the connection has been accepted",
      transient: true,
    };
  }
  // one that the tree has only in a message would look the same
  if (!context.running && socket.pending?.some((client) => !own.has(client)) === true) {
    return {
      code: "E_EXTERNAL",
      why: "a task that is not in the tree waits for its connection to be accepted",
      hint: "try again when the connection has been accepted",
      transient: true,
    };
  }
  const peer = byIno.get(socket.peer ?? 0n);
  if (!isConnection(socket) && peer !== undefined && peer.peer !== socket.ino && peer.name === undefined) {
    return { why: "it is connected to a socket without a name, which is not connected to it", hint: "let the program close one of them" };
  }
  return undefined;
}

/** The listening socket whose turn it is to accept. */
function waitsFor({ ino }: UnixSocketRecord, context: DumpContext): Pick<UnixFile, "waitsFor" | "turn"> {
  const waits = tableOf(context).waiting.get(ino);
  return waits === undefined ? {} : { waitsFor: waits.by, turn: waits.turn };
}

/** Who the other end was when they were connected: what programs decide by whom they serve. */
function credentialsOf(fd: number, socket: UnixSocketRecord): Pick<UnixFile, "peerCredentials"> {
  if (!isConnection(socket) || (socket.state !== CONNECTED && socket.state !== LISTENING)) return {};
  const [pid, uid, gid, ...groups] = native().peerCredentials(fd);
  return pid === undefined || uid === undefined || gid === undefined ? {} : { peerCredentials: { pid, uid, gid, groups } };
}
