/** What kernels and users differ in with sockets. */

import { closeSync } from "node:fs";

import { isSystemError } from "../errors.js";
import { AF_INET, SOCK_STREAM } from "../kinds/inet.js";
import { HELD_PATH, NOT_HERE, readLeft } from "../kinds/tcp/held.js";
import { native } from "../native.js";
import { YES, no, type Answer, type Probe } from "./types.js";

const IPPROTO_TCP = 6;
const TCP_REPAIR = 19;
const SOCK_RAW = 3;
const IPPROTO_RAW = 255;
const IPPROTO_MPTCP = 262;
const EPERM = -1;

export const SOCKETS: readonly Probe[] = [
  { id: "unix-sockets", about: "unix sockets", ask: unixSockets },
  { id: "tcp-connections", about: "TCP connections within a tree", ask: tcpConnections },
  { id: "tcp-keep", about: "TCP connections out of a tree that go on (--tcp-keep)", ask: keptConnections },
  { id: "udp-datagrams", about: "unread UDP datagrams", ask: datagrams },
  { id: "mptcp", about: "multipath TCP", ask: mptcp },
];

function unixSockets(): Answer {
  try {
    native().unixSockets();
    return YES;
  } catch {
    return no("they cannot be dumped without unix_diag: modprobe unix_diag, or a kernel with CONFIG_UNIX_DIAG");
  }
}

/** On a socket that is not connected it has no effect. */
function tcpConnections(): Answer {
  const fd = native().newSocket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  try {
    const answer = native().tryOption(fd, IPPROTO_TCP, TCP_REPAIR, 1);
    if (answer === 0) return YES;
    if (answer === EPERM) return no("TCP_REPAIR takes CAP_NET_ADMIN: connections can be dumped, and not restored");
    return no(`the kernel does not have TCP_REPAIR (error ${-answer}): connections can be dumped, and not restored here`);
  } finally {
    closeSync(fd);
  }
}

function keptConnections(): Answer {
  try {
    return readLeft() === undefined ? no(`${NOT_HERE.why}: ${NOT_HERE.hint}`) : YES;
  } catch (error) {
    if (!isSystemError(error) || error.code !== "EPERM") throw error;
    return no(`${HELD_PATH} takes CAP_NET_ADMIN to open: packets cannot be held back`);
  }
}

function datagrams(): Answer {
  try {
    closeSync(native().newSocket(AF_INET, SOCK_RAW, IPPROTO_RAW));
    return YES;
  } catch (error) {
    if (isSystemError(error) && error.code === "EPERM")
      return no("a raw socket takes CAP_NET_RAW: sockets with unread datagrams can be dumped, and not restored");
    throw error;
  }
}

function mptcp(): Answer {
  try {
    closeSync(native().newSocket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
  } catch {
    return no("such sockets are refused; this kernel has none");
  }
  return no(
    "such sockets are refused: run programs that use them by themselves with sysctl net.mptcp.enabled=0 (Go: GODEBUG=multipathtcp=0)",
  );
}
