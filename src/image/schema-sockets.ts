/** Sockets in files.msgpack. */

import type { FileIdentity, OpenFileBase } from "./schema.js";

/** unix(7) */
export interface UnixFile extends OpenFileBase {
  kind: "unix";
  ino: bigint;
  /** SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
  type: number;
  state: "open" | "connected" | "listening";
  /** sun_path without the NUL behind a path; an abstract name begins with NUL */
  name?: Uint8Array;
  /** a relative path: the working directory of its task */
  directory?: string;
  /** the file that was made when it was bound; absent: it has been removed */
  file?: FileIdentity;
  /** the file is not where the name says, but at its own path */
  moved?: true;
  /** listening */
  backlog: number;
  /** of the other end; 0: it is gone, or has not been accepted */
  peer: bigint;
  /** of the listening socket that has not accepted it yet */
  waitsFor?: bigint;
  /** how many are to be accepted before it */
  turn?: number;
  /** bit 0: it receives no more, bit 1: it sends no more */
  shutdown: number;
  /** the other end is gone, and had not read everything; the program has not been told */
  reset?: true;
  /** what is unread in it */
  messages: UnixMessage[];
  /** those that a new socket does not have */
  options: SocketOption[];
  /** SO_PEERCRED and SO_PEERGROUPS */
  peerCredentials?: { pid: number; uid: number; gid: number; groups: number[] };
}

export interface UnixMessage {
  data: Uint8Array;
  /** sun_path of the sender, of a datagram */
  from?: Uint8Array;
  /** SCM_CREDENTIALS, where SO_PASSCRED asks for them */
  credentials?: { pid: number; uid: number; gid: number };
  /** SCM_RIGHTS: indices into files.msgpack */
  files: number[];
}

/** tcp(7) */
export interface TcpFile extends OpenFileBase {
  kind: "tcp";
  ino: bigint;
  /** AF_INET, AF_INET6 */
  domain: number;
  listening: boolean;
  backlog: number;
  /** struct sockaddr_in or sockaddr_in6 */
  address?: Uint8Array;
  options: SocketOption[];
  /** absent: listening, bound or new */
  connection?: TcpConnection;
}

export type TcpConnection = TcpOver | TcpOpen;

/** A connection that is over, and that the program has not closed yet. */
export interface TcpOver {
  /** but for ended ones the next call tells: ECONNRESET, EPIPE, ECONNREFUSED */
  state: "ended" | "reset" | "broken" | "refused";
  received: Uint8Array;
}

/** Sequence numbers and windows as in struct tcp_sock, without the byte that the end of a stream counts as. */
export interface TcpOpen {
  /** waiting: to be accepted; kept: its other end is not in the tree, and waits for it */
  state: "open" | "waiting" | "kept";
  /** struct sockaddr of the other end */
  peer: Uint8Array;
  /** `ino` of the other end; 0: it has been closed, or waits to be accepted */
  peerIno: bigint;
  /** `ino` of the socket that is to accept it */
  waitsFor?: bigint;
  /** bit 0: it receives no more, bit 1: it sends no more */
  shutdown: number;
  /** the other end has closed its stream */
  ended: boolean;
  /** this end has */
  finished: boolean;
  /** what was not read */
  received: Uint8Array;
  /** what the other end had not acknowledged, or was not sent */
  unsent: Uint8Array;
  /** sequence number behind `received`, and of the first byte of `unsent` */
  receiveNext: number;
  sendFirst: number;
  mss: number;
  /** TCPI_OPT_* */
  options: number;
  sendScale: number;
  receiveScale: number;
  /** its clock for time stamps */
  timestamp: number;
  /** snd_wnd, max_window, rcv_wnd, rcv_wup */
  window: { sent: number; largest: number; received: number; from: number };
  /** SO_BUF_LOCK, where the kernel has it */
  bufferLocks?: number;
  /** of one that is kept: how much of `unsent` was sent, and whether the end of the stream was behind it */
  sent?: number;
  endSent?: boolean;
}

/** udp(7) */
export interface UdpFile extends OpenFileBase {
  kind: "udp";
  ino: bigint;
  /** AF_INET, AF_INET6 */
  domain: number;
  /** struct sockaddr_in or sockaddr_in6 */
  address?: Uint8Array;
  /** who it is connected to */
  peer?: Uint8Array;
  /** bit 0: it receives no more, bit 1: it sends no more */
  shutdown: number;
  /** what was not read */
  datagrams: Datagram[];
  options: SocketOption[];
}

export interface Datagram {
  data: Uint8Array;
  /** struct sockaddr of the sender */
  from: Uint8Array;
}

/** netlink(7) */
export interface NetlinkFile extends OpenFileBase {
  kind: "netlink";
  ino: bigint;
  /** SOCK_RAW, SOCK_DGRAM */
  type: number;
  protocol: number;
  /** nl_pid; 0: not bound */
  port: number;
  /** those that it has joined, from 1 */
  groups: number[];
  /** who it is connected to, if not to the kernel */
  peer?: { port: number; groups: number };
  options: SocketOption[];
}

/** setsockopt(2) */
export interface SocketOption {
  level: number;
  name: number;
  value: Uint8Array;
}
