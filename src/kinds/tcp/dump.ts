/** TCP sockets as they are found: listening, bound or new ones, and connections. tcp(7). */

import { constants } from "node:os";
import { DESCRIPTOR_WHAT, TCP_FLAG, type TcpNoteRecord } from "../../image/layout.js";
import type { TcpConnection, TcpFile, TcpOpen, TcpOver } from "../../image/schema.js";
import { native } from "../../native.js";
import { obstacleOfFilter, readOptions } from "../socket-options.js";
import { withDuplicate } from "../duplicates.js";
import { S_IFSOCK, baseOf, descriptorOf, isType, type DumpContext, type DumpHalf, type Found, type Obstacle } from "../types.js";
import { CONNECTED, STATE, hasEnded, isHeld, otherEnd, toldOf, waitingFor, type OtherEnd } from "./connections.js";
import { CHOSEN_REASON, ELSEWHERE_REASON, SOCK_STREAM, isBound, isOfProtocol, kindOf } from "../inet.js";
import { IPPROTO_TCP, bufferLocks, infoOf, isTcp, optionsOf, timestampOf, type TcpInfo } from "./options.js";

/** sk_shutdown, include/net/sock.h */
const BOTH = 3;

/** What a connection that is over has to tell its program. */
const OVER: Readonly<Record<number, TcpOver["state"]>> = {
  0: "ended",
  [constants.errno.ECONNRESET]: "reset",
  [constants.errno.EPIPE]: "broken",
  [constants.errno.ECONNREFUSED]: "refused",
};

export const tcpDump: DumpHalf = {
  claims(found, context) {
    if (!isType(found.stat, S_IFSOCK)) return false;
    if (!(context.running ? isOfProtocol(found, "TCP") : withDuplicate(found, isTcp))) return false;
    // one that leads out is the caller's to hand over where it is standard input, output or error
    const kept = context.outsideTcp === "keep";
    const leadsOut = context.outside(found.link) || (!kept && otherEnd(found, context)?.where === "outside");
    return !leadsOut || context.standard(found.stat) === undefined;
  },

  dump(found, context) {
    // before it is asked anything: who has it may sit on its lock, behind which questions wait for ever
    if (!context.outside(found.link)) return withDuplicate(found, (fd) => dumpSocket(fd, found, context));
    refuse(found, toldOf(found)?.state ?? STATE.CLOSE, SHARED, context);
    return undefined;
  },

  look(found, context) {
    const other = otherEnd(found, context);
    if (context.outside(found.link)) refuse(found, STATE.CLOSE, SHARED, context);
    else if (other?.where === "outside") lookOutside(found, context);
    return undefined;
  },
};

function lookOutside(found: Found, context: DumpContext): void {
  if (context.outsideTcp === "reset") warnOfReset(found, context);
  else if (context.outsideTcp === "refuse") refuse(found, STATE.ESTABLISHED, LEADS_OUT, context);
  else context.warn(`${named(found)} will be kept: its packets are held back until the tree is restored`);
}

function refuse(found: Found, state: number, obstacle: Obstacle, context: DumpContext): void {
  context.refuse({ ...descriptorOf(found), object: state === STATE.LISTEN ? "listening TCP socket" : "TCP connection", ...obstacle });
}

function dumpSocket(fd: number, found: Found, context: DumpContext): TcpFile | undefined {
  const { domain } = kindOf(fd);
  const info = infoOf(fd);
  const { state, waiting, backlog } = info;
  const told = toldOf(found);
  const obstacle =
    obstacleOfFilter(fd, true) ??
    obstacleOf(told, state) ??
    (state === STATE.LISTEN ? obstacleOfListening(found, waiting, context) : undefined);
  if (obstacle !== undefined) {
    refuse(found, state, obstacle, context);
    return undefined;
  }
  const address = native().socketName(fd);
  const socket = {
    ...baseOf(found),
    kind: "tcp",
    ino: found.stat.ino,
    domain,
    listening: state === STATE.LISTEN,
    backlog: state === STATE.LISTEN ? backlog : 0,
    ...(isBound(address) ? { address } : {}),
    options: readOptions(fd, { domain, type: SOCK_STREAM, protocol: IPPROTO_TCP }, optionsOf(domain)),
  } as const;
  if (state === STATE.LISTEN || told === undefined || isNew(told)) return socket;
  const connection = connectionOf(fd, found, { told, info }, context);
  return connection === undefined ? undefined : { ...socket, connection };
}

/** It has never been connected. */
function isNew({ state, shutdown, error, flags }: TcpNoteRecord): boolean {
  return state === STATE.CLOSE && shutdown === 0 && error === 0 && (flags & TCP_FLAG.ENDED) === 0;
}

const AGAIN = { hint: "try again", transient: true } as const;
const SHARED: Obstacle = {
  code: "E_EXTERNAL",
  why: "a task that is not in the tree has it open too",
  hint: "dump a tree that has all tasks that share it",
};

const LEADS_OUT: Obstacle = {
  code: "E_EXTERNAL",
  why: "it is connected to a socket that is not in the tree",
  hint: "use --tcp-keep: it goes on after the restore, or --tcp-close: the program finds it reset; or dump a tree that has both ends",
};

function warnOfReset(found: Found, context: DumpContext): void {
  context.warn(`${named(found)} will be found reset`);
}

function named({ holders: [{ pid, fd }] }: Found): string {
  return `task ${pid}, descriptor ${fd}: the TCP connection`;
}

function obstacleOf(told: TcpNoteRecord | undefined, state: number): Obstacle | undefined {
  if (told === undefined) {
    if (state === STATE.LISTEN || state === STATE.CLOSE) return undefined;
    return { why: "it is on its way in a message", hint: "try again when it has been received", transient: true };
  }
  const { flags } = told;
  if ((flags & TCP_FLAG.ELSEWHERE) !== 0) return ELSEWHERE_REASON;
  if ((flags & TCP_FLAG.CHOSEN) !== 0) return CHOSEN_REASON;
  if ((flags & TCP_FLAG.TAKEN) !== 0)
    return { why: "the kernel does more with it than TCP (TLS, BPF)", hint: "let the program do that by itself" };
  if ((flags & TCP_FLAG.SIGNED) !== 0)
    return { why: "its segments are signed (TCP_MD5SIG, TCP-AO)", hint: "let the program close it first" };
  if ((flags & TCP_FLAG.REPAIR) !== 0) return { why: "somebody has set TCP_REPAIR", hint: "end who did" };
  if ((flags & TCP_FLAG.URGENT) !== 0) return { why: "it holds urgent data", ...AGAIN };
  if ((flags & TCP_FLAG.BUSY) !== 0) return { why: "what it has not sent could not be read", ...AGAIN };
  if (state === STATE.SYN_SENT) return { why: "it is being connected", ...AGAIN };
  return undefined;
}

function obstacleOfListening(found: Found, waiting: number, context: DumpContext): Obstacle | undefined {
  const foreign = waiting - waitingFor(found.stat.ino, context);
  if (foreign === 0) return undefined;
  if (foreign < 0) return { why: "a connection of the tree waits at another socket of its address to be accepted", ...AGAIN };
  return {
    code: "E_EXTERNAL",
    why: `${foreign} connections from outside of the tree wait to be accepted`,
    hint: "try again when they have been accepted",
    transient: true,
  };
}

function obstacleOfConnection(found: Found, other: OtherEnd, told: TcpNoteRecord, context: DumpContext): Obstacle | undefined {
  if (other.where === "outside") return context.outsideTcp === "keep" ? obstacleOfKept(found, told, context) : LEADS_OUT;
  if (other.where === "closing")
    return {
      why: "its other end has been closed, and what that has sent is on its way",
      hint: "try again when the program has read it",
      transient: true,
    };
  if (other.where === "halfway") return { why: "it is not connected yet", ...AGAIN };
  if (other.where === "waiting" && (other.unread > 0 || told.write_seq !== told.snd_una))
    return {
      why: "what it has sent is in a connection that is not accepted yet",
      hint: "try again when it has been accepted",
      transient: true,
    };
  return undefined;
}

function obstacleOfKept(found: Found, told: TcpNoteRecord, context: DumpContext): Obstacle | undefined {
  if (!CONNECTED.has(told.state)) return { why: "it is not connected yet", ...AGAIN };
  if (isHeld(found, context)) return undefined;
  return { why: "its packets could not be held back in time", ...AGAIN };
}

function connectionOf(
  fd: number,
  found: Found,
  { told, info }: { told: TcpNoteRecord; info: TcpInfo },
  context: DumpContext,
): TcpConnection | undefined {
  if (told.state === STATE.CLOSE) {
    const state = OVER[told.error];
    if (state !== undefined) return over(fd, state);
    const why = `it has failed (errno ${told.error}), and its program has not been told yet`;
    refuse(found, told.state, { why, ...AGAIN }, context);
    return undefined;
  }
  const other: OtherEnd = otherEnd(found, context) ?? { where: hasEnded(found) ? "gone" : "closing" };
  if (other.where === "outside" && context.outsideTcp === "reset") {
    warnOfReset(found, context);
    return over(fd, "reset");
  }
  const obstacle = obstacleOfConnection(found, other, told, context);
  if (obstacle !== undefined) {
    refuse(found, told.state, obstacle, context);
    return undefined;
  }
  // more may have come since the module looked, which the other end, looked at later, takes for acknowledged
  const unread = native().unreadBytes(fd);
  const received = native().peekBytes(fd, unread);
  if (received.length !== unread) {
    refuse(found, told.state, { why: "what it has received could not be read", ...AGAIN }, context);
    return undefined;
  }
  context.quiet(fd);
  const { options, sendScale, receiveScale } = info;
  const locks = bufferLocks(fd);
  const kept = other.where === "outside";
  const unsent = found.untoldData.get(DESCRIPTOR_WHAT.UNSENT) ?? new Uint8Array();
  return {
    state: kept ? "kept" : other.where === "waiting" ? "waiting" : "open",
    peer: native().peerName(fd),
    peerIno: other.where === "tree" ? other.ino : 0n,
    ...(other.where === "waiting" ? { waitsFor: other.listener } : {}),
    shutdown: told.shutdown & BOTH,
    ended: hasEnded(found),
    finished: (told.flags & TCP_FLAG.FIN) !== 0,
    received,
    unsent,
    // who has read the end of the stream has counted it
    receiveNext: kept ? (told.rcv_nxt - (hasEnded(found) ? 1 : 0)) >>> 0 : (told.copied_seq + unread) >>> 0,
    sendFirst: told.state === STATE.FIN_WAIT2 && kept ? (told.snd_una - 1) >>> 0 : told.snd_una,
    mss: told.mss_clamp,
    options,
    sendScale,
    receiveScale,
    timestamp: timestampOf(fd),
    window: { sent: told.snd_wnd, largest: told.max_window, received: told.rcv_wnd, from: told.rcv_wup },
    ...(locks === undefined ? {} : { bufferLocks: locks }),
    ...(kept ? sentOf(told, unsent.length) : {}),
  };
}

/** The end of the stream counts as a byte; it is sent again where the other end has acknowledged it, which then does so again. */
function sentOf(told: TcpNoteRecord, unsent: number): Pick<TcpOpen, "sent" | "endSent"> {
  const sent = (told.snd_nxt - told.snd_una) >>> 0;
  return { sent: Math.min(sent, unsent), endSent: (told.flags & TCP_FLAG.FIN) !== 0 && (told.state === STATE.FIN_WAIT2 || sent > unsent) };
}

function over(fd: number, state: TcpOver["state"]): TcpConnection {
  return { state, received: native().peekBytes(fd, native().unreadBytes(fd)) };
}
