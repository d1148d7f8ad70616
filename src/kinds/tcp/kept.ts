/**
 * Ends of connections out of the tree, made again as if nothing had been: packets are held back until the tree is loaded,
 * then both ends go on where they were.
 */

import { isSystemError } from "../../errors.js";
import type { SocketOption, TcpFile, TcpOpen } from "../../image/schema.js";
import { endpointOf } from "../../proc/tcp.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP, TCP_FILLED_END, TCP_MAY_BE_OVER, type Op } from "../../restore/plan.js";
import { SOL_SOCKET } from "../inet.js";
import { setOwner, settableFlags } from "../open.js";
import { setOptions } from "../socket-options.js";
import { keyOf } from "./connections.js";
import { HELD_PATH, NOT_HERE, readLeft, recordOf } from "./held.js";
import { IPPROTO_TCP } from "./options.js";
import { newSocket, repair, resetBuffers } from "./repair.js";

const SHUT_RD = 0;
const SHUT_WR = 1;
const RECEIVES_NO_MORE = 1;
const SO_KEEPALIVE = 9;
const TCP_USER_TIMEOUT = 18;
const TCP_NOTSENT_LOWAT = 25;

interface End {
  file: TcpFile;
  connection: TcpOpen;
  address: Uint8Array;
}

export function isKept({ connection }: TcpFile): boolean {
  return connection?.state === "kept";
}

/** First of all sockets: one that listens at their address would answer what they are to get. The rest is for when those are there. */
export function restoreKept(files: readonly TcpFile[], context: RestoreContext): () => void {
  const ends = files.flatMap((file): End[] => {
    const { address, connection } = file;
    return address !== undefined && connection !== undefined && "peer" in connection ? [{ file, connection, address }] : [];
  });
  const [first] = ends;
  if (first === undefined) return () => undefined;
  checkHeld(ends, context);
  const session = context.slot();
  const held = ends.map(({ address, connection }) => recordOf(keyOf(endpointOf(address), endpointOf(connection.peer))));
  context.create({ type: OP.TCP_HOLD, slot: session, data: held, subject: subjectOf(first, context) });
  context.release({ type: OP.TCP_RELEASE, slot: session, subject: subjectOf(first, context) });
  return () => {
    for (const end of ends) restoreEnd(end, session, context);
  };
}

function subjectOf({ file }: End, context: RestoreContext): NonNullable<Op["subject"]> {
  return { ...context.subject(file), object: "TCP connection" };
}

/** Who held them back since the dump: nobody does on another machine, or after a reboot. */
function checkHeld(ends: readonly End[], context: RestoreContext): void {
  const left = lookAtLeft(context, ends);
  if (left === undefined) return;
  const missing = ends.filter(({ address, connection }) => !left.has(keyOf(endpointOf(address), endpointOf(connection.peer))));
  if (missing.length > 0)
    context.note(
      `${missing.length} of ${ends.length} TCP connections out of the tree were not held back here since the dump: ` +
        "if a packet of the other end has been answered meanwhile, they will be found reset",
    );
}

function lookAtLeft(context: RestoreContext, [first]: readonly End[]): Set<string> | undefined {
  const about = first === undefined ? {} : subjectOf(first, context);
  try {
    const left = readLeft();
    if (left === undefined) context.refuse({ ...about, code: "E_KERNEL", ...NOT_HERE });
    return left;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const why = `${HELD_PATH} cannot be opened (${error.code})`;
    if (error.code === "EPERM") context.refuse({ ...about, code: "E_PERMISSION", why, hint: "run crctl restore as root" });
    else context.refuse({ ...about, code: "E_KERNEL", why });
    return undefined;
  }
}

/** What would end a connection that gets no answer, or takes no more than so much: when it goes on. */
function isLate({ level, name }: SocketOption): boolean {
  return level === SOL_SOCKET ? name === SO_KEEPALIVE : level === IPPROTO_TCP && (name === TCP_USER_TIMEOUT || name === TCP_NOTSENT_LOWAT);
}

function restoreEnd(end: End, session: number, context: RestoreContext): void {
  const { file, connection, address } = end;
  const subject = subjectOf(end, context);
  const slot = newSocket(file, context);
  setOptions(
    file.options.filter((option) => !isLate(option)),
    slot,
    context,
    { subject },
  );
  repair(
    { slot, connection, local: address, peer: connection.peer, subject },
    { sequence: connection.sendFirst, window: connection.window.sent },
    context,
  );
  if (connection.ended) context.create({ type: OP.TCP_END, slot, arg: session, subject });
  const sent = connection.unsent.subarray(0, connection.sent ?? 0);
  const endSent = connection.endSent === true;
  if (sent.length > 0 || endSent) context.create({ type: OP.TCP_FILL, slot, flags: endSent ? TCP_FILLED_END : 0, data: sent, subject });
  context.create({ type: OP.SETFL, slot, flags: settableFlags(file), subject });
  context.place(file, slot);
  setOwner(file, slot, context);
  goOn(end, slot, context);
}

function goOn(end: End, slot: number, context: RestoreContext): void {
  const { file, connection } = end;
  const subject = subjectOf(end, context);
  const release = (op: Op): void => {
    context.release({ ...op, slot, subject });
  };
  release({ type: OP.TCP_OPEN });
  const rest = connection.unsent.subarray(connection.sent ?? 0);
  if (rest.length > 0) release({ type: OP.TCP_SEND, flags: TCP_MAY_BE_OVER, data: rest });
  if (connection.finished && connection.endSent !== true) release({ type: OP.SHUTDOWN, arg: SHUT_WR, flags: TCP_MAY_BE_OVER });
  if ((connection.shutdown & RECEIVES_NO_MORE) !== 0 && !connection.ended)
    release({ type: OP.SHUTDOWN, arg: SHUT_RD, flags: TCP_MAY_BE_OVER });
  const released = { create: release, arm: release };
  resetBuffers(file, slot, released, subject);
  setOptions(file.options.filter(isLate), slot, released, { subject });
}
