/** Netlink sockets without traffic: netlink(7). */

import { DESCRIPTOR_WHAT, NETLINK_FLAG } from "../image/layout.js";
import type { NetlinkFile } from "../image/schema.js";
import { native } from "../native.js";
import { netlinkSockets } from "../proc/netlink.js";
import type { RestoreContext, RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { withDuplicate } from "./duplicates.js";
import { ELSEWHERE_REASON, isOfProtocol, kindOf } from "./inet.js";
import { setOwner, settableFlags } from "./open.js";
import { GENERIC, obstacleOfFilter, readOptions, setOptions, type OptionNames } from "./socket-options.js";
import { S_IFSOCK, baseOf, descriptorOf, isType, type DumpContext, type DumpHalf, type Found, type Obstacle } from "./types.js";

export const AF_NETLINK = 16;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;

/** Whose kernel side keeps nothing for a socket but what is saved here: ROUTE, SOCK_DIAG, XFRM, FIB_LOOKUP, KOBJECT_UEVENT. */
const STATELESS: readonly number[] = [0, 4, 6, 10, 15];

/** PKTINFO, BROADCAST_ERROR, NO_ENOBUFS, LISTEN_ALL_NSID, CAP_ACK, EXT_ACK, GET_STRICT_CHK */
const OF_NETLINK = [3, 4, 5, 8, 10, 11, 12].map((name): [number, number] => [SOL_NETLINK, name]);

const OPTIONS: OptionNames = [...GENERIC, ...OF_NETLINK];

// ---- dump ----

export const netlinkDump: DumpHalf = {
  claims: (found, context) =>
    isType(found.stat, S_IFSOCK) &&
    (context.running ? isOfProtocol(found, "NETLINK") : withDuplicate(found, (fd) => kindOf(fd).domain === AF_NETLINK)) &&
    !(context.outside(found.link) && context.standard(found.stat) !== undefined),

  dump: (found, context) =>
    withDuplicate(found, (fd): NetlinkFile | undefined => {
      const { type, protocol } = kindOf(fd);
      const obstacle = obstacleOf(fd, { found, protocol }, context);
      if (obstacle !== undefined) {
        context.refuse({ ...descriptorOf(found), object: "netlink socket", ...obstacle });
        return undefined;
      }
      const peer = addressOf(native().peerName(fd));
      return {
        ...baseOf(found),
        kind: "netlink",
        ino: found.stat.ino,
        type,
        protocol,
        port: addressOf(native().socketName(fd)).port,
        groups: native().netlinkGroups(fd),
        ...(peer.port !== 0 || peer.groups !== 0 ? { peer } : {}),
        options: readOptions(fd, { domain: AF_NETLINK, type, protocol }, OPTIONS),
      };
    }),

  look(found, context) {
    const obstacle = context.outside(found.link) ? SHARED : withDuplicate(found, (fd) => obstacleOfProtocol(kindOf(fd).protocol));
    if (obstacle !== undefined) context.refuse({ ...descriptorOf(found), object: "netlink socket", ...obstacle });
    return undefined;
  },
};

const SHARED: Obstacle = {
  code: "E_EXTERNAL",
  why: "a task that is not in the tree has it open too",
  hint: "dump a tree that has all tasks that share it",
};

function obstacleOfProtocol(protocol: number): Obstacle | undefined {
  if (STATELESS.includes(protocol)) return undefined;
  const hint = "let the program close it first";
  return { why: `what the kernel keeps for a socket of netlink protocol ${protocol} is not known`, hint };
}

const TRY_AGAIN = "let the program read what is there, and try again";

function obstacleOf(fd: number, { found, protocol }: { found: Found; protocol: number }, context: DumpContext): Obstacle | undefined {
  if (context.outside(found.link)) return SHARED;
  const unknown = obstacleOfProtocol(protocol);
  if (unknown !== undefined) return unknown;
  const filter = obstacleOfFilter(fd, false);
  if (filter !== undefined) return filter;
  const flags = Number(found.untold.get(DESCRIPTOR_WHAT.NETLINK) ?? 0n);
  if ((flags & NETLINK_FLAG.ELSEWHERE) !== 0) return ELSEWHERE_REASON;
  if ((flags & NETLINK_FLAG.UNREAD) !== 0) return { why: "messages in it, or an error, were not read", hint: TRY_AGAIN, transient: true };
  if (netlinkSockets().some(({ ino, replying }) => ino === found.stat.ino && replying)) {
    return { why: "the kernel has not finished a reply to it", hint: TRY_AGAIN, transient: true };
  }
  return undefined;
}

/** struct sockaddr_nl */
function addressOf(address: Uint8Array): { port: number; groups: number } {
  const bytes = Buffer.from(address);
  return { port: bytes.readUInt32LE(4), groups: bytes.readUInt32LE(8) };
}

// ---- restore ----

export const netlinkRestore: RestoreHalf<NetlinkFile> = (files, context) => {
  const used = new Set(netlinkSockets().map(({ protocol, port }) => `${protocol} ${port}`));
  for (const file of files) {
    if (file.port !== 0 && used.has(`${file.protocol} ${file.port}`)) {
      context.refuse({
        ...context.subject(file),
        code: "E_CONFLICT",
        object: "netlink socket",
        why: `port ${file.port} of netlink protocol ${file.protocol} is in use`,
        hint: "end the process that has it: /proc/net/netlink tells the socket's inode",
      });
      continue;
    }
    restoreSocket(file, context);
  }
};

function restoreSocket(file: NetlinkFile, context: RestoreContext): void {
  const slot = context.slot();
  const subject = context.subject(file);
  context.create({ type: OP.SOCKET, slot, arg: file.type, a: BigInt(AF_NETLINK), b: BigInt(file.protocol), subject });
  setOptions(file.options, slot, context, { subject });
  if (file.port !== 0) context.create({ type: OP.BIND_ADDRESS, slot, data: address(file.port, 0), subject });
  if (file.peer !== undefined) {
    context.create({ type: OP.CONNECT_ADDRESS, slot, data: address(file.peer.port, file.peer.groups), subject });
  }
  // it hears of nothing that the restore itself brings about
  for (const group of file.groups) {
    context.arm({ type: OP.SOCKOPT, slot, arg: SOL_NETLINK, a: BigInt(NETLINK_ADD_MEMBERSHIP), data: word(group), subject });
  }
  context.create({ type: OP.SETFL, slot, flags: settableFlags(file), subject });
  context.place(file, slot);
  setOwner(file, slot, context);
}

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function address(port: number, groups: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16LE(AF_NETLINK, 0);
  bytes.writeUInt32LE(port, 4);
  bytes.writeUInt32LE(groups, 8);
  return bytes;
}
