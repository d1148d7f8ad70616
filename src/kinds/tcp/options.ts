/** What of a TCP socket getsockopt(2) tells: socket(7), ip(7), ipv6(7), tcp(7). */

import { native } from "../../native.js";
import { AF_INET, AF_INET6, OF_INET, OF_IP, OF_IPV6, SOCK_STREAM, SOL_SOCKET, kindOf } from "../inet.js";
import { GENERIC, type OptionNames } from "../socket-options.js";

export const SO_REUSEADDR = 2;
/** from Linux 5.14 on: which of the buffer sizes were set by the program */
export const SO_BUF_LOCK = 72;

export const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_TIMESTAMP = 24;

/** In struct tcp_info: u8 tcpi_state and tcpi_options, tcpi_snd_wscale (low half) and tcpi_rcv_wscale, u32 tcpi_unacked and tcpi_sacked. */
const STATE = 0;
const OPTIONS = 5;
const SCALES = 6;
const UNACKED = 24;
const SACKED = 28;

/** OOBINLINE, then those of TCP: NODELAY, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2,
 * DEFER_ACCEPT, CONGESTION, USER_TIMEOUT, NOTSENT_LOWAT, FASTOPEN; THIN_LINEAR_TIMEOUTS, THIN_DUPACK, SAVE_SYN, FASTOPEN_NO_COOKIE, INQ, TX_DELAY */
const OF_TCP = [
  [SOL_SOCKET, 10] as [number, number],
  ...[1, 3, 4, 5, 6, 7, 8, 9, 13, 18, 25, 23, 16, 17, 27, 34, 36, 37].map((name): [number, number] => [IPPROTO_TCP, name]),
];
const OF_IPV4: OptionNames = [...GENERIC, ...OF_INET, ...OF_TCP, ...OF_IP];
const OF_BOTH: OptionNames = [...OF_IPV4, ...OF_IPV6];
export const optionsOf = (domain: number): OptionNames => (domain === AF_INET6 ? OF_BOTH : OF_IPV4);

export function isTcp(fd: number): boolean {
  const { domain, type, protocol } = kindOf(fd);
  return [AF_INET, AF_INET6].includes(domain) && type === SOCK_STREAM && protocol === IPPROTO_TCP;
}

export interface TcpInfo {
  /** TCP_ESTABLISHED and so on */
  state: number;
  /** who waits to be accepted */
  waiting: number;
  backlog: number;
  /** TCPI_OPT_* */
  options: number;
  sendScale: number;
  receiveScale: number;
}

export function infoOf(fd: number): TcpInfo {
  const [info] = native().socketOptions(fd, [IPPROTO_TCP], [TCP_INFO]);
  const bytes = Buffer.from(info instanceof Uint8Array ? info : new Uint8Array(SACKED + 4));
  return {
    state: bytes.readUInt8(STATE),
    waiting: bytes.readUInt32LE(UNACKED),
    backlog: bytes.readUInt32LE(SACKED),
    options: bytes.readUInt8(OPTIONS),
    sendScale: bytes.readUInt8(SCALES) & 15,
    receiveScale: bytes.readUInt8(SCALES) >> 4,
  };
}

/** The clock of its time stamps. */
export function timestampOf(fd: number): number {
  const [value] = native().socketOptions(fd, [IPPROTO_TCP], [TCP_TIMESTAMP]);
  return value instanceof Uint8Array ? Buffer.from(value).readUInt32LE() : 0;
}

/** Undefined where the kernel does not tell. */
export function bufferLocks(fd: number): number | undefined {
  const [value] = native().socketOptions(fd, [SOL_SOCKET], [SO_BUF_LOCK]);
  return value instanceof Uint8Array ? Buffer.from(value).readUInt32LE() : undefined;
}
