/**
 * TCP sockets, made again. Those that listen first; then the ends of connections, each put together by itself
 * (TCP_REPAIR); when all are there they begin to talk, and send what had not arrived.
 */

import type { TcpConnection, TcpFile, TcpOpen, TcpOver } from "../../image/schema.js";
import { CAP, hasCapability } from "../../proc/capabilities.js";
import type { RestoreContext, RestoreHalf } from "../../restore/context.js";
import { OP, TCP_OVER } from "../../restore/plan.js";
import { setOwner, settableFlags } from "../open.js";
import { setOptions } from "../socket-options.js";
import { endpointOf, isOwn, ownAddresses } from "../../proc/tcp.js";
import { SOL_SOCKET } from "../inet.js";
import { isKept, restoreKept } from "./kept.js";
import { SO_REUSEADDR } from "./options.js";
import { distance, edge, newSocket, repair, resetBuffers } from "./repair.js";

const SHUT_RD = 0;
const SHUT_WR = 1;
const RECEIVES_NO_MORE = 1;
const ON = Uint8Array.of(1, 0, 0, 0);
/** struct linger: what it has of a new socket, and what has it end by a reset */
const SO_LINGER = 13;
const NO_LINGER = new Uint8Array(8);
const AT_ONCE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

/** An end of a connection that is open. */
interface End {
  file: TcpFile;
  connection: TcpOpen;
  address: Uint8Array;
}

/** An end, and its counterpart, which may have been closed. */
interface Placed extends End {
  slot: number;
  other: TcpOpen | undefined;
}

export const tcpRestore: RestoreHalf<TcpFile> = (files, context) => {
  checkOwnRights(files, context);
  const restoreHeld = restoreKept(files.filter(isKept), context);
  for (const file of files) if (file.connection === undefined) restoreSocket(file, context);
  restoreHeld();
  restoreConnections(
    files.filter((file) => !isKept(file)),
    context,
  );
};

function restoreConnections(files: readonly TcpFile[], context: RestoreContext): void {
  const ends: Placed[] = [];
  const own = ownAddresses();
  const open = new Map(
    files.flatMap(({ ino, connection }) => (connection !== undefined && !isOver(connection) ? [[ino, connection] as const] : [])),
  );
  for (const file of files) {
    const { connection, address } = file;
    if (connection === undefined || isOver(connection)) continue;
    if (address === undefined)
      context.refuse({ ...context.subject(file), code: "E_IMAGE_DAMAGED", object: "TCP connection", why: "it has no address" });
    else if (!isOwn(endpointOf(connection.peer), own))
      context.refuse({
        ...context.subject(file),
        code: "E_CONFLICT",
        object: "TCP connection",
        why: "the address of its other end is not one of this machine",
        hint: "restore where the tree was, or give this machine the address",
      });
    else if (connection.state === "waiting") restoreWaiting({ file, connection, address }, context);
    else ends.push(...restoreEnd({ file, connection, address }, open.get(connection.peerIno), context));
  }
  for (const { slot, file } of ends) context.create({ type: OP.TCP_OPEN, slot, subject: context.subject(file) });
  for (const end of ends) goOn(end, context);
  // those that are over take any port that is free: when all others have theirs
  for (const file of files) if (file.connection !== undefined && isOver(file.connection)) restoreOver(file, file.connection, context);
  for (const file of files) if (file.connection !== undefined) finish(file, context);
}

/** Those that listen, wait to be accepted or are over are made as anybody makes them. */
function checkOwnRights(files: readonly TcpFile[], context: RestoreContext): void {
  if (hasCapability(CAP.NET_ADMIN)) return;
  const ends = files.filter(({ connection }) => connection?.state === "open" || connection?.state === "kept");
  const [first] = ends;
  if (first === undefined) return;
  context.refuse({
    ...context.subject(first),
    code: "E_PERMISSION",
    object: "TCP connection",
    why: `connections are put together with TCP_REPAIR, which takes CAP_NET_ADMIN (ends of connections: ${ends.length})`,
    hint: "run crctl restore as root, or with CAP_NET_ADMIN",
  });
}

function isOver(connection: TcpConnection): connection is TcpOver {
  return connection.state in TCP_OVER;
}

function restoreSocket(file: TcpFile, context: RestoreContext): void {
  const slot = newSocket(file, context);
  const subject = context.subject(file);
  // some say where and with whom it may be bound
  setOptions(file.options, slot, context, { subject });
  if (file.address !== undefined) context.create({ type: OP.BIND_ADDRESS, slot, data: file.address, subject });
  if (file.listening) context.create({ type: OP.LISTEN, slot, arg: file.backlog, subject });
  context.create({ type: OP.SETFL, slot, flags: settableFlags(file), subject });
  context.place(file, slot);
  setOwner(file, slot, context);
}

function restoreOver(file: TcpFile, { state, received }: TcpOver, context: RestoreContext): void {
  const slot = newSocket(file, context);
  context.create({
    type: OP.TCP_ENDED,
    slot,
    arg: file.domain,
    a: TCP_OVER[state],
    data: received,
    subject: context.subject(file),
  });
  context.place(file, slot);
}

/** Connected anew, as it was before: who listens has accepted nothing of it. */
function restoreWaiting({ file, connection, address }: End, context: RestoreContext): void {
  const slot = newSocket(file, context);
  const subject = context.subject(file);
  setOptions(file.options, slot, context, { subject });
  context.create({ type: OP.BIND_ADDRESS, slot, data: address, subject });
  context.create({ type: OP.CONNECT_ADDRESS, slot, data: connection.peer, subject });
  if (connection.finished) context.create({ type: OP.SHUTDOWN, slot, arg: SHUT_WR, subject });
  context.place(file, slot);
}

/** The end, and the other one for a moment if that has been closed: its last packet is what this one has been told. */
function restoreEnd(end: End, other: TcpOpen | undefined, context: RestoreContext): Placed[] {
  const { file, connection, address } = end;
  const slot = newSocket(file, context);
  const subject = context.subject(file);
  setOptions(file.options, slot, context, { subject });
  // if the restore fails the kernel is not to remember it, for a minute in which no other restore has its address
  context.create({ type: OP.SOCKOPT, slot, arg: SOL_SOCKET, a: BigInt(SO_LINGER), data: AT_ONCE, subject });
  const linger = file.options.find(({ level, name }) => level === SOL_SOCKET && name === SO_LINGER)?.value ?? NO_LINGER;
  context.last({ type: OP.SOCKOPT, slot, arg: SOL_SOCKET, a: BigInt(SO_LINGER), data: linger, subject });
  repair({ slot, connection, local: address, peer: connection.peer, subject }, towards(other ?? mirror(connection)), context);
  context.place(file, slot);
  if (other !== undefined || !connection.ended) return [{ ...end, slot, other }];
  const closed = newSocket(file, context);
  const gone = mirror(connection);
  repair({ slot: closed, connection: gone, local: connection.peer, peer: address, subject }, towards(connection), context);
  return [
    { ...end, slot, other },
    { file, address: connection.peer, connection: gone, slot: closed, other: connection },
  ];
}

/** What the other end of a connection would be if nothing were on its way. */
function mirror(end: TcpOpen): TcpOpen {
  return {
    ...end,
    received: new Uint8Array(),
    unsent: new Uint8Array(),
    receiveNext: (end.sendFirst + end.unsent.length) >>> 0,
    sendFirst: end.receiveNext,
    sendScale: end.receiveScale,
    receiveScale: end.sendScale,
    ended: false,
    finished: end.ended,
    window: { sent: end.window.received, largest: end.window.received, received: end.window.sent, from: end.sendFirst },
  };
}

/** What it has received need not be sent. */
function towards(other: TcpOpen): { sequence: number; window: number } {
  return { sequence: other.receiveNext, window: distance(other.receiveNext, edge(other)) };
}

/** Sends what the other end has not received, and closes what was closed. */
function goOn({ slot, file, connection, other, address }: Placed, context: RestoreContext): void {
  const subject = context.subject(file);
  const temporary = address !== file.address;
  // what the kernel remembers of it for a minute is to be in nobody's way
  if (temporary) context.create({ type: OP.SOCKOPT, slot, arg: SOL_SOCKET, a: BigInt(SO_REUSEADDR), data: ON, subject });
  const arrived = other === undefined ? connection.unsent.length : distance(connection.sendFirst, other.receiveNext);
  const unsent = connection.unsent.subarray(arrived);
  if (unsent.length > 0) context.create({ type: OP.TCP_SEND, slot, data: unsent, subject });
  if (connection.finished) context.create({ type: OP.SHUTDOWN, slot, arg: SHUT_WR, subject });
  else if ((connection.shutdown & RECEIVES_NO_MORE) !== 0 && !connection.ended)
    context.create({ type: OP.SHUTDOWN, slot, arg: SHUT_RD, subject });
  if (temporary) context.create({ type: OP.CLOSE, slot });
}

/** What TCP_REPAIR and filling the queues have changed, and the flags. */
function finish(file: TcpFile, context: RestoreContext): void {
  const slot = context.slotOf(file.id);
  if (slot === undefined || file.connection === undefined) return;
  const subject = context.subject(file);
  const { connection, options } = file;
  if (isOver(connection)) {
    setOptions(options, slot, context, { subject });
  } else {
    resetBuffers(file, slot, context, subject);
  }
  context.create({ type: OP.SETFL, slot, flags: settableFlags(file), subject });
  setOwner(file, slot, context);
}
