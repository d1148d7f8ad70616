/** /proc/net/netlink: the netlink sockets of this network namespace that are bound. */

import { readFileSync } from "node:fs";

export interface NetlinkEntry {
  protocol: number;
  port: number;
  /** a reply in several parts is not complete: the rest is made as it is read */
  replying: boolean;
  ino: bigint;
}

/** Columns: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode */
export function parseNetlink(text: string): NetlinkEntry[] {
  return text
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => {
      const [, protocol, port, , , , dump, , , ino = "0"] = line.trim().split(/ +/);
      return { protocol: Number(protocol), port: Number(port), replying: dump !== "0", ino: BigInt(ino) };
    });
}

export function netlinkSockets(): NetlinkEntry[] {
  return parseNetlink(readFileSync("/proc/net/netlink", "latin1"));
}
