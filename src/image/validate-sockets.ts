/** What the sockets of an image say of themselves and of each other, beyond the shape of each. */

import { endpointOf } from "../proc/tcp.js";
import type { NetlinkFile, OpenFile, SocketOption, TcpFile, UdpFile, UnixFile } from "./schema.js";

export type Demand = (condition: boolean, what: string) => void;

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_SEQPACKET = 5;
/** netlink(7) */
const MAX_LINKS = 32;
const MAX_NETLINK_GROUPS = 32768;
const AF_INET = 2;
const AF_INET6 = 10;
/** struct sockaddr_in, sockaddr_in6 */
const ADDRESS_SIZES: ReadonlyMap<number, number> = new Map([
  [AF_INET, 16],
  [AF_INET6, 28],
]);
/** sun_path, and the NUL that may be behind it */
const LONGEST_NAME = 108;
/** SCM_MAX_FD */
const MAX_PASSED = 253;
const MAX_GROUPS = 65536;
const INT_MAX = 0x7fffffff;
const U32_MAX = 0xffffffff;
/** TCP_MAX_WSCALE */
const MAX_SCALE = 14;
/** what a packet of IPv4 has room for */
const LONGEST_DATAGRAM = 65507;
const SOL_SOCKET = 1;
/** SO_SNDBUF, SO_RCVBUF */
const SIZES: readonly number[] = [7, 8];
const SO_ATTACH_FILTER = 26;

export function crossCheckSockets(files: readonly OpenFile[], demand: Demand): void {
  const sockets = new Map<bigint, UnixFile>();
  const connections = new Map<bigint, TcpFile>();
  const seen = new Set<bigint>();
  for (const file of files) {
    if (!isSocket(file)) continue;
    demand(file.ino > 0n && !seen.has(file.ino), `open file ${file.id} has the inode of another socket`);
    seen.add(file.ino);
    if (file.kind === "unix") sockets.set(file.ino, file);
    if (file.kind === "tcp") connections.set(file.ino, file);
  }
  for (const file of files) {
    if (!isSocket(file)) continue;
    const check: Demand = (condition, what) => demand(condition, `open file ${file.id}, a socket, ${what}`);
    checkOptions(file.options, check);
    if (file.kind === "udp") checkUdp(file, check);
    if (file.kind === "netlink") checkNetlink(file, check);
    if (file.kind !== "unix" && file.kind !== "tcp") continue;
    check(file.backlog <= INT_MAX, "has an impossible backlog");
    if (file.kind === "tcp") checkTcp(file, connections, check);
    else {
      checkName(file, check);
      checkConnection(file, sockets, check);
      checkMessages(file, sockets, files.length, check);
    }
  }
}

type Socket = UnixFile | TcpFile | UdpFile | NetlinkFile;

function isSocket(file: OpenFile): file is Socket {
  return ["unix", "tcp", "udp", "netlink"].includes(file.kind);
}

/** struct sock_filter each, BPF_MAXINSNS at most */
function isProgram(value: Uint8Array): boolean {
  return value.length > 0 && value.length % 8 === 0 && value.length <= 4096 * 8;
}

function checkOptions(options: readonly SocketOption[], check: Demand): void {
  for (const { level, name, value } of options) {
    check(level <= INT_MAX && name <= INT_MAX, "has an option that there cannot be");
    check(level !== SOL_SOCKET || name !== SO_ATTACH_FILTER || isProgram(value), "has a filter that is no program");
    check(level !== SOL_SOCKET || !SIZES.includes(name) || value.length === 4, "has a buffer whose size is no number");
  }
}

function isAddress(address: Uint8Array, domain: number): boolean {
  return address.length === ADDRESS_SIZES.get(domain) && Buffer.from(address).readUInt16LE(0) === domain;
}

function checkAddresses({ domain, address, peer }: { domain: number; address?: Uint8Array; peer?: Uint8Array }, check: Demand): void {
  check(ADDRESS_SIZES.has(domain), "is of another family");
  for (const one of [address, peer]) if (one !== undefined) check(isAddress(one, domain), "has an address of another family");
}

function checkTcp(file: TcpFile, connections: ReadonlyMap<bigint, TcpFile>, check: Demand): void {
  const { domain, address, connection, listening } = file;
  checkAddresses({ domain, ...(address === undefined ? {} : { address }) }, check);
  if (connection === undefined) return;
  check(!listening, "listens, and is connected");
  if (!("peer" in connection)) return;
  const { state, peer, peerIno, waitsFor, window } = connection;
  check(address !== undefined, "is connected, and has no address");
  checkAddresses({ domain, peer }, check);
  const { receiveNext, sendFirst, mss, timestamp, options, bufferLocks } = connection;
  const words = [receiveNext, sendFirst, timestamp, options, bufferLocks ?? 0, window.sent, window.largest, window.received, window.from];
  check(
    words.every((word) => word <= U32_MAX),
    "has a number of more than 32 bits",
  );
  check(mss > 0 && mss <= 0xffff, "has packets of an impossible size");
  check(connection.sendScale <= MAX_SCALE && connection.receiveScale <= MAX_SCALE, "has an impossible window");
  check(connection.shutdown <= 3, "is shut down in an unknown way");
  if (state === "kept")
    check(
      peerIno === 0n && (connection.sent ?? 0) <= connection.unsent.length && (connection.finished || connection.endSent !== true),
      "is connected to somebody outside, and has sent what there is not",
    );
  else if (state === "waiting")
    check(waitsFor !== undefined && connections.get(waitsFor)?.listening === true, "waits for one that does not listen");
  else if (peerIno !== 0n) {
    const other = connections.get(peerIno);
    check(peerOf(other) === file.ino, "is connected to one that is not connected to it");
    check(other?.address !== undefined && endpointOf(other.address) === endpointOf(peer), "is connected to one that has another address");
  }
}

function peerOf(file: TcpFile | undefined): bigint | undefined {
  const connection = file?.connection;
  return connection !== undefined && "peer" in connection && connection.state === "open" ? connection.peerIno : undefined;
}

function checkUdp({ domain, address, peer, shutdown, datagrams }: UdpFile, check: Demand): void {
  checkAddresses({ domain, ...(address === undefined ? {} : { address }), ...(peer === undefined ? {} : { peer }) }, check);
  check(shutdown <= 3, "is shut down in an unknown way");
  for (const { data, from } of datagrams) {
    check(data.length <= LONGEST_DATAGRAM, "has a datagram of an impossible size");
    check(from.length === 0 || isAddress(from, domain), "has a datagram of an impossible sender");
  }
}

function checkNetlink({ type, protocol, port, groups, peer }: NetlinkFile, check: Demand): void {
  check(type === SOCK_RAW || type === SOCK_DGRAM, "is of an unknown type");
  check(protocol < MAX_LINKS, "is of an unknown protocol");
  check(port <= U32_MAX && (peer === undefined || (peer.port <= U32_MAX && peer.groups <= U32_MAX)), "has an impossible address");
  check(
    groups.length <= MAX_NETLINK_GROUPS && groups.every((group) => group > 0 && group <= MAX_NETLINK_GROUPS),
    "has an impossible group",
  );
}

function checkName({ name, directory, moved, file, state }: UnixFile, check: Demand): void {
  check(name !== undefined || (directory === undefined && file === undefined && state !== "listening"), "has no name");
  check(moved === undefined || file !== undefined, "was moved, and has no file");
  if (file !== undefined) check(file.path.startsWith("/") && !file.path.includes("\0"), "has a file without a path");
  if (name === undefined) return;
  check(name.length > 0 && name.length <= LONGEST_NAME, "has a name of an impossible length");
  if (name[0] === 0) return;
  check(!name.includes(0), "has a path with a NUL in it");
  check(name[0] === 0x2f || directory?.startsWith("/") === true, "has a path that is below no directory");
}

function checkConnection(file: UnixFile, sockets: ReadonlyMap<bigint, UnixFile>, check: Demand): void {
  const { type, state, shutdown, waitsFor, peerCredentials } = file;
  const datagrams = type === SOCK_DGRAM;
  check(datagrams || type === SOCK_STREAM || type === SOCK_SEQPACKET, "is of an unknown type");
  check(shutdown <= 3, "is shut down in an unknown way");
  check(state !== "listening" || !datagrams, "listens for datagrams");
  const peer = state === "connected" ? sockets.get(file.peer) : undefined;
  if (peer !== undefined) {
    check(peer.type === type && peer !== file, "is connected to a socket of another type");
    check(datagrams || (peer.state === "connected" && peer.peer === file.ino), "is connected to one that is not connected to it");
    check(peer.peer === file.ino || peer.name !== undefined, "is connected to one that has no name");
  }
  if (waitsFor !== undefined) {
    const listener = sockets.get(waitsFor);
    check(listener?.state === "listening" && listener.type === type, "waits for one that does not listen");
    check(state === "connected" && peer === undefined, "waits, and is connected");
  }
  if (peerCredentials === undefined) return;
  const { pid, uid, gid, groups } = peerCredentials;
  check(pid <= INT_MAX && groups.length <= MAX_GROUPS && [uid, gid, ...groups].every((id) => id <= U32_MAX), "has an impossible peer");
}

function checkMessages(file: UnixFile, sockets: ReadonlyMap<bigint, UnixFile>, fileCount: number, check: Demand): void {
  const { type, state, name, waitsFor, messages } = file;
  if (messages.length > 0) {
    const peer = sockets.get(file.peer);
    const hasSender = state === "connected" && waitsFor === undefined && (peer === undefined || peer.peer === file.ino);
    check(hasSender || (type === SOCK_DGRAM && name !== undefined), "has messages that nobody can have sent");
  }
  for (const { from, credentials, files } of messages) {
    check(from === undefined || (from.length > 0 && from.length <= LONGEST_NAME + 1), "has a message of a sender with an impossible name");
    check(files.length <= MAX_PASSED && files.every((passed) => passed < fileCount), "has a message that holds nothing");
    if (credentials === undefined) continue;
    check(credentials.pid <= INT_MAX && credentials.uid <= U32_MAX && credentials.gid <= U32_MAX, "has a message of an impossible sender");
  }
}
