/** Who is connected to whom: the TCP connections of a tree, asked once in each dump. */

import { DESCRIPTOR_WHAT, TCP_FLAG, TcpNote, type TcpNoteRecord } from "../../image/layout.js";
import { native } from "../../native.js";
import { endpointOf, isAny, isOwn, ownAddresses, readTcp, splitEndpoint, type TcpEntry } from "../../proc/tcp.js";
import { withDuplicate } from "../duplicates.js";
import { isType, S_IFSOCK, type DumpContext, type Found } from "../types.js";
import { infoOf, isTcp } from "./options.js";

/** include/net/tcp_states.h */
export const STATE = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECEIVED: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const;

/** Those that have another end. */
export const CONNECTED: ReadonlySet<number> = new Set([
  STATE.ESTABLISHED,
  STATE.FIN_WAIT1,
  STATE.FIN_WAIT2,
  STATE.CLOSE_WAIT,
  STATE.LAST_ACK,
  STATE.CLOSING,
]);

/** By its endpoints as endpointOf() writes them. */
export function keyOf(local: string, remote: string): string {
  return `${local} ${remote}`;
}

/** The other end of a connection. */
export type OtherEnd =
  | { where: "tree"; ino: bigint }
  /** closed, and nobody has it any more */
  | { where: "gone" }
  /** not accepted yet by the socket that listens */
  | { where: "waiting"; listener: bigint; unread: number }
  /** closed, and what it has sent has not all come */
  | { where: "closing" }
  /** the kernel has not finished connecting it */
  | { where: "halfway" }
  | { where: "outside" };

interface Known {
  local: string;
  remote: string;
  /** of a tree that runs: see hasEnded() */
  ended: boolean;
}

interface Table {
  /** connections of the tree by inode */
  known: ReadonlyMap<bigint, Known>;
  /** by {@link keyOf} */
  byEndpoints: ReadonlyMap<string, bigint>;
  /** listening sockets of the tree: endpoint and inode */
  listeners: readonly { ino: bigint; local: string }[];
  /** of the machine, by {@link keyOf}; read when it is first needed */
  machine: () => ReadonlyMap<string, TcpEntry>;
  own: () => ReadonlySet<string>;
  /** by listening socket: how many connections of the tree wait for it to accept them */
  waiting: () => ReadonlyMap<bigint, number>;
}

const tables = new WeakMap<DumpContext, Table>();

function tableOf(context: DumpContext): Table {
  let table = tables.get(context);
  if (table === undefined) tables.set(context, (table = lookAround(context)));
  return table;
}

/** What the module tells of it; undefined: it is open in a message only, or not of TCP. */
export function toldOf(found: Found): TcpNoteRecord | undefined {
  const data = found.untoldData.get(DESCRIPTOR_WHAT.TCP);
  if (data === undefined || data.length < TcpNote.size) return undefined;
  return TcpNote.read(new DataView(data.buffer, data.byteOffset, data.byteLength), 0);
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function lookAround(context: DumpContext): Table {
  const machine = once(() => new Map(readTcp().map((entry) => [keyOf(entry.local, entry.remote), entry])));
  const known = new Map<bigint, Known>();
  const listeners: { ino: bigint; local: string }[] = [];
  for (const found of context.files) {
    // who else has it may sit on its lock, behind which questions wait for ever
    if (!isType(found.stat, S_IFSOCK) || context.outside(found.link)) continue;
    const socket = context.running ? listed(found, machine()) : asked(found);
    if (socket === undefined) continue;
    const { state, local, remote } = socket;
    if (state === STATE.LISTEN) listeners.push({ ino: found.stat.ino, local });
    else known.set(found.stat.ino, { local, remote, ended: HAS_RECEIVED_END.has(state) });
  }
  return {
    known,
    byEndpoints: new Map([...known].map(([ino, { local, remote }]) => [keyOf(local, remote), ino])),
    listeners,
    machine,
    own: once(ownAddresses),
    waiting: once(() => countWaiting(context)),
  };
}

/** States of one whose other end has closed its stream. */
const HAS_RECEIVED_END: ReadonlySet<number> = new Set([STATE.CLOSE_WAIT, STATE.LAST_ACK, STATE.CLOSING, STATE.TIME_WAIT]);

type Socket = Pick<TcpEntry, "state" | "local" | "remote">;

/** Undefined: it is not of TCP, or not connected. */
function asked(found: Found): Socket | undefined {
  return withDuplicate(found, (fd) => {
    if (!isTcp(fd)) return undefined;
    const { state } = infoOf(fd);
    if (state === STATE.CLOSE || state === STATE.SYN_SENT) return undefined;
    const local = endpointOf(native().socketName(fd));
    return { state, local, remote: state === STATE.LISTEN ? "" : endpointOf(native().peerName(fd)) };
  });
}

/** The same of a tree that runs: its program may be at work in it, and must find it as it was. */
function listed(found: Found, machine: ReadonlyMap<string, TcpEntry>): Socket | undefined {
  const entry = [...machine.values()].find(({ ino }) => ino === found.stat.ino);
  return entry === undefined || entry.state === STATE.CLOSE || entry.state === STATE.SYN_SENT ? undefined : entry;
}

/** Whether the module holds its packets back. */
export function isHeld(found: Found, context: DumpContext): boolean {
  const connection = tableOf(context).known.get(found.stat.ino);
  return connection !== undefined && context.isHeld(keyOf(connection.local, connection.remote));
}

/** Undefined: it is no connection. */
export function otherEnd(found: Found, context: DumpContext): OtherEnd | undefined {
  const { known, byEndpoints, listeners, machine, own } = tableOf(context);
  const connection = known.get(found.stat.ino);
  if (connection === undefined) return undefined;
  const { local, remote } = connection;
  const ended = context.running ? connection.ended : hasEnded(found);
  const ino = byEndpoints.get(keyOf(remote, local));
  if (ino !== undefined) return { where: "tree", ino };
  const { ip, port } = splitEndpoint(remote);
  if (!isOwn(remote, own())) return { where: "outside" };
  const entry = machine().get(keyOf(remote, local));
  // one that is translated to another address is not of this machine, and has not said that it is closed
  if (entry === undefined) return { where: ended && !isHeld(found, context) ? "gone" : "outside" };
  if (entry.ino !== 0n) return { where: "outside" };
  if (entry.state === STATE.SYN_RECEIVED) return { where: "halfway" };
  const listener = listeners.find((candidate) => {
    const bound = splitEndpoint(candidate.local);
    return bound.port === port && (bound.ip === ip || isAny(bound.ip));
  });
  if (entry.state !== STATE.ESTABLISHED && entry.state !== STATE.CLOSE_WAIT) return { where: ended ? "gone" : "closing" };
  // the end of a stream counts as a byte
  const unread = entry.unread - (entry.state === STATE.CLOSE_WAIT ? 1 : 0);
  return listener === undefined ? { where: "outside" } : { where: "waiting", listener: listener.ino, unread };
}

/** Whether the other end has closed its stream, and all of that has come. */
export function hasEnded(found: Found): boolean {
  return ((toldOf(found)?.flags ?? 0) & TCP_FLAG.ENDED) !== 0;
}

function countWaiting(context: DumpContext): Map<bigint, number> {
  const counts = new Map<bigint, number>();
  for (const found of context.files) {
    const other = isType(found.stat, S_IFSOCK) ? otherEnd(found, context) : undefined;
    if (other?.where === "waiting") counts.set(other.listener, (counts.get(other.listener) ?? 0) + 1);
  }
  return counts;
}

/** How many connections of the tree wait for that listening socket to accept them. */
export function waitingFor(listener: bigint, context: DumpContext): number {
  return tableOf(context).waiting().get(listener) ?? 0;
}
