/** UDP sockets, with the datagrams that were not read: udp(7). */

import { DESCRIPTOR_WHAT, UDP_FLAG } from "../image/layout.js";
import type { Datagram, UdpFile } from "../image/schema.js";
import { native } from "../native.js";
import { CAP, hasCapability } from "../proc/capabilities.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { setOwner, settableFlags } from "./open.js";
import { endpointOf, isOwn, ownAddresses } from "../proc/tcp.js";
import {
  AF_INET,
  AF_INET6,
  CHOSEN_REASON,
  ELSEWHERE_REASON,
  IPPROTO_IP,
  IPPROTO_IPV6,
  OF_INET,
  OF_IP,
  OF_IPV6,
  SOL_SOCKET,
  SOCK_DGRAM,
  isBound,
  isOfProtocol,
  kindOf,
} from "./inet.js";
import { GENERIC, obstacleOfFilter, readOptions, setOptions, type OptionNames } from "./socket-options.js";
import { withDuplicate } from "./duplicates.js";
import { S_IFSOCK, baseOf, descriptorOf, isType, type DumpContext, type DumpHalf, type Found, type Obstacle } from "./types.js";

const IPPROTO_UDP = 17;
const LONGEST = 65536;
const POLLERR = 8;
const SO_BINDTODEVICE = 25;

/** CORK, NO_CHECK6_TX, NO_CHECK6_RX, SEGMENT, GRO; RECVOPTS, RETOPTS, PKTINFO, RECVERR, RECVTTL, RECVTOS, RECVORIGDSTADDR, RECVFRAGSIZE,
 * RECVERR_RFC4884, multicast: IF, TTL, LOOP, ALL; the same of IPv6 */
const OF_UDP: [number, number][] = [
  ...OF_INET,
  ...[1, 101, 102, 103, 104].map((name): [number, number] => [IPPROTO_UDP, name]),
  ...[6, 7, 8, 11, 12, 13, 20, 25, 26, 32, 33, 34, 49].map((name): [number, number] => [IPPROTO_IP, name]),
];
const OF_UDP6 = [17, 18, 19, 25, 29, 49, 51, 53, 56, 58, 60, 66, 74, 77].map((name): [number, number] => [IPPROTO_IPV6, name]);

const OPTIONS: OptionNames = [...GENERIC, ...OF_UDP, ...OF_IP];
const OPTIONS6: OptionNames = [...OPTIONS, ...OF_IPV6, ...OF_UDP6];

// ---- dump ----

function isUdp(fd: number): boolean {
  const { domain, type, protocol } = kindOf(fd);
  return [AF_INET, AF_INET6].includes(domain) && type === SOCK_DGRAM && protocol === IPPROTO_UDP;
}

export const udpDump: DumpHalf = {
  claims: (found, context) =>
    isType(found.stat, S_IFSOCK) &&
    (context.running ? isOfProtocol(found, "UDP") : withDuplicate(found, isUdp)) &&
    !(context.outside(found.link) && context.standard(found.stat) !== undefined),

  dump(found, context): UdpFile | undefined {
    const obstacle = obstacleOf(found, context);
    if (obstacle !== undefined) {
      context.refuse({ ...descriptorOf(found), object: "UDP socket", ...obstacle });
      return undefined;
    }
    return withDuplicate(found, (fd) => dumpSocket(fd, found, context));
  },

  look(found, context) {
    if (context.outside(found.link)) context.refuse({ ...descriptorOf(found), object: "UDP socket", ...SHARED });
    return undefined;
  },
};

const SHARED = {
  code: "E_EXTERNAL",
  why: "a task that is not in the tree has it open too",
  hint: "dump a tree that has all tasks that share it",
} as const;

function obstacleOf(found: Found, context: DumpContext): Obstacle | undefined {
  const { flags } = toldOf(found);
  if (context.outside(found.link)) return SHARED;
  const filter = withDuplicate(found, (fd) => obstacleOfFilter(fd, true));
  if (filter !== undefined) return filter;
  if ((flags & UDP_FLAG.ELSEWHERE) !== 0) return ELSEWHERE_REASON;
  if ((flags & UDP_FLAG.CHOSEN) !== 0) return CHOSEN_REASON;
  if ((flags & UDP_FLAG.TAKEN) !== 0) return { why: "it is a tunnel, or BPF has it", hint: "let the program close it first" };
  if ((flags & UDP_FLAG.MULTICAST) !== 0) return { why: "it has joined multicast groups", hint: "let the program leave them first" };
  if ((flags & UDP_FLAG.PENDING) !== 0) return { why: "a datagram is being put together in it", hint: "try again", transient: true };
  return undefined;
}

/** What the module tells: flags, and how many datagrams there are, of those without bytes, too. */
function toldOf({ untold }: Found): { flags: number; unread: number } {
  const value = untold.get(DESCRIPTOR_WHAT.UDP) ?? 0n;
  return { flags: Number(value & 0xffffffffn), unread: Number(value >> 32n) };
}

/** Or why they cannot be read. */
function readDatagrams(fd: number, found: Found, context: DumpContext): Datagram[] | string {
  const { unread } = toldOf(found);
  // whoever asks for a datagram takes the error
  if ((native().pollState(fd) & POLLERR) !== 0) {
    if (unread > 0) return "an error that the program has not been told of stands before what is unread";
    context.warn(
      `task ${found.holders[0].pid}, descriptor ${found.holders[0].fd}: after a restore the UDP socket will not tell of its error`,
    );
    return [];
  }
  const datagrams = native().peekMessages(fd, LONGEST, -1);
  // one without bytes that has been looked at once is not shown again
  if (datagrams.length < unread) return "a datagram without bytes is unread, and has been looked at before";
  return datagrams.map(({ data, address: from }) => ({ data, from: from ?? new Uint8Array() }));
}

function dumpSocket(fd: number, found: Found, context: DumpContext): UdpFile | undefined {
  const { domain } = kindOf(fd);
  const { flags } = toldOf(found);
  const datagrams = readDatagrams(fd, found, context);
  if (typeof datagrams === "string") {
    const hint = "let the program read what is there, and try again";
    context.refuse({ ...descriptorOf(found), object: "UDP socket", why: datagrams, hint });
    return undefined;
  }
  const address = native().socketName(fd);
  const peer = peerOf(fd);
  return {
    ...baseOf(found),
    kind: "udp",
    ino: found.stat.ino,
    domain,
    ...(isBound(address) ? { address } : {}),
    ...(peer === undefined ? {} : { peer }),
    shutdown: ((flags & UDP_FLAG.NO_RECEIVING) !== 0 ? 1 : 0) | ((flags & UDP_FLAG.NO_SENDING) !== 0 ? 2 : 0),
    datagrams,
    options: readOptions(fd, { domain, type: SOCK_DGRAM, protocol: IPPROTO_UDP }, domain === AF_INET6 ? OPTIONS6 : OPTIONS),
  };
}

function peerOf(fd: number): Uint8Array | undefined {
  try {
    return native().peerName(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTCONN") return undefined;
    throw error;
  }
}

// ---- restore ----

/** One after the other with what is in it: of several that share an address any might get what the first is to have. */
export const udpRestore: RestoreHalf<UdpFile> = (files, context) => {
  checkOwnRights(files, context);
  const own = ownAddresses();
  for (const file of files) restoreSocket(file, own, context);
};

function checkOwnRights(files: readonly UdpFile[], context: RestoreContext): void {
  if (hasCapability(CAP.NET_RAW)) return;
  const full = files.filter(({ datagrams }) => datagrams.length > 0);
  const [first] = full;
  if (first === undefined) return;
  context.refuse({
    ...context.subject(first),
    code: "E_PERMISSION",
    object: "UDP socket",
    why: `datagrams that were not read come back through a raw socket, which takes CAP_NET_RAW (sockets with such: ${full.length})`,
    hint: "run crctl restore as root, or with CAP_NET_RAW",
  });
}

function restoreSocket(file: UdpFile, own: ReadonlySet<string>, context: RestoreContext): void {
  const slot = context.slot();
  const subject = context.subject(file);
  context.create({ type: OP.SOCKET, slot, arg: SOCK_DGRAM, a: BigInt(file.domain), b: BigInt(IPPROTO_UDP), subject });
  setOptions(file.options, slot, context, { subject });
  if (file.address !== undefined) context.create({ type: OP.BIND_ADDRESS, slot, data: file.address, subject });
  // some may have come before it was connected, from others
  if (file.datagrams.length > 0) {
    // they come by another device than the one that it is bound to
    const device = file.options.find(({ level, name }) => level === SOL_SOCKET && name === SO_BINDTODEVICE)?.value;
    const bindTo = (data: Uint8Array): void =>
      context.create({ type: OP.SOCKOPT, slot, arg: SOL_SOCKET, a: BigInt(SO_BINDTODEVICE), data, subject });
    if (device !== undefined) bindTo(new Uint8Array());
    for (const datagram of file.datagrams) restoreDatagram(datagram, { file, slot, own }, context);
    if (device !== undefined) bindTo(device);
  }
  if (file.peer !== undefined) context.create({ type: OP.CONNECT_ADDRESS, slot, data: file.peer, subject });
  // SHUT_RD, SHUT_WR, SHUT_RDWR: one less than the bits
  if (file.shutdown !== 0) context.create({ type: OP.SHUTDOWN, slot, arg: file.shutdown - 1, subject });
  context.create({ type: OP.SETFL, slot, flags: settableFlags(file), subject });
  context.place(file, slot);
  setOwner(file, slot, context);
}

/** struct plan_datagram: two struct sockaddr_storage */
const STORAGE = 128;

interface Target {
  file: UdpFile;
  slot: number;
  own: ReadonlySet<string>;
}

function restoreDatagram({ data, from }: Datagram, { file, slot, own }: Target, context: RestoreContext): void {
  const source = plain(from);
  const target = file.address === undefined ? undefined : reachable(plain(file.address), familyOf(source));
  if (target === undefined || familyOf(source) !== familyOf(target)) {
    context.note(`a datagram in socket ${file.ino} is lost: it is not known where it came from`);
    return;
  }
  if (!isOwn(endpointOf(target), own)) {
    // a group's or a network's: others would hear it, and from somebody who did not say it
    context.note(`a datagram in socket ${file.ino} is lost: the socket is bound to an address that is not the machine's own`);
    return;
  }
  const head = new Uint8Array(2 * STORAGE);
  head.set(source, 0);
  head.set(target, STORAGE);
  context.create({ type: OP.DATAGRAM, slot, data: [head, data], subject: context.subject(file) });
}

const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

/** An address of IPv4 that was mapped into IPv6 as what it is. */
function plain(address: Uint8Array): Uint8Array {
  const bytes = Buffer.from(address);
  if (bytes.length < 24 || bytes.readUInt16LE() !== AF_INET6 || !bytes.subarray(8, 20).equals(MAPPED)) return address;
  const result = Buffer.alloc(16);
  result.writeUInt16LE(AF_INET);
  bytes.copy(result, 2, 2, 4);
  bytes.copy(result, 4, 20, 24);
  return result;
}

function familyOf(address: Uint8Array): number {
  return address.length < 2 ? 0 : Buffer.from(address).readUInt16LE();
}

/** Where any address will do, one of the machine's own, of the sender's family. */
function reachable(address: Uint8Array, family: number): Uint8Array {
  const bytes = Buffer.from(address);
  const own = familyOf(bytes) === AF_INET ? bytes.subarray(4, 8) : bytes.subarray(8, 24);
  if (!own.every((byte) => byte === 0)) return bytes;
  const result = Buffer.alloc(family === AF_INET ? 16 : 28);
  result.writeUInt16LE(family);
  bytes.copy(result, 2, 2, 4);
  if (family === AF_INET) result.writeUInt32BE(0x7f000001, 4);
  else result[23] = 1;
  return result;
}
