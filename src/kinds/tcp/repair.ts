/** What an end of a connection is put together with, whoever has the other one. */

import type { TcpFile, TcpOpen } from "../../image/schema.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP, PlanTcp, TCP_OPTION, type Subject } from "../../restore/plan.js";
import { SOCK_STREAM, SOL_SOCKET } from "../inet.js";
import { isBufferSize, setOptions } from "../socket-options.js";
import { IPPROTO_TCP, SO_BUF_LOCK, SO_REUSEADDR } from "./options.js";

/** TCPI_OPT_TIMESTAMPS, TCPI_OPT_SACK, TCPI_OPT_WSCALE */
const TIMESTAMPS = 1;
const SACK = 2;
const WINDOW_SCALE = 4;

export function newSocket(file: TcpFile, context: RestoreContext): number {
  const slot = context.slot();
  context.create({
    type: OP.SOCKET,
    slot,
    arg: SOCK_STREAM,
    a: BigInt(file.domain),
    b: BigInt(IPPROTO_TCP),
    subject: context.subject(file),
  });
  return slot;
}

/** From here on the other end accepts: a sequence number. */
export function edge({ window }: TcpOpen): number {
  return (window.from + window.received) >>> 0;
}

/** Bytes from one sequence number to another, 0 if that lies before it. */
export function distance(from: number, to: number): number {
  return Math.max(0, (to - from) | 0);
}

interface Ends {
  slot: number;
  connection: TcpOpen;
  local: Uint8Array;
  peer: Uint8Array;
  subject: Subject;
}

/** Connects without a packet. `send`: the sequence number of what it will send next, and how much of that the other end accepts. */
export function repair(
  { slot, connection, local, peer, subject }: Ends,
  send: { sequence: number; window: number },
  context: RestoreContext,
): void {
  const { options, window, receiveNext, received } = connection;
  const head = PlanTcp.encode({
    local_len: local.length,
    peer_len: peer.length,
    receive_sequence: (receiveNext - received.length) >>> 0,
    send_sequence: send.sequence,
    options:
      ((options & SACK) !== 0 ? TCP_OPTION.SACK : 0) |
      ((options & WINDOW_SCALE) !== 0 ? TCP_OPTION.WINDOW_SCALE : 0) |
      ((options & TIMESTAMPS) !== 0 ? TCP_OPTION.TIMESTAMPS : 0),
    mss: connection.mss,
    send_scale: connection.sendScale,
    receive_scale: connection.receiveScale,
    timestamp: connection.timestamp,
    snd_wl1: receiveNext,
    snd_wnd: send.window,
    max_window: Math.max(window.largest, send.window),
    rcv_wnd: distance(receiveNext, edge(connection)),
    rcv_wup: receiveNext,
  });
  context.create({ type: OP.TCP_REPAIR, slot, data: [head, local, peer, received], subject });
}

/** What TCP_REPAIR and filling the queues have changed. */
export function resetBuffers(file: TcpFile, slot: number, context: Pick<RestoreContext, "create" | "arm">, subject: Subject): void {
  setOptions(
    file.options.filter(({ level, name }) => level === SOL_SOCKET && (name === SO_REUSEADDR || isBufferSize(name))),
    slot,
    context,
    { subject },
  );
  const { connection } = file;
  if (connection === undefined || !("peer" in connection) || connection.bufferLocks === undefined) return;
  const value = Buffer.alloc(4);
  value.writeUInt32LE(connection.bufferLocks);
  context.create({ type: OP.SOCKOPT, slot, arg: SOL_SOCKET, a: BigInt(SO_BUF_LOCK), data: value, subject });
}
