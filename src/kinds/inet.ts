/** What sockets of IPv4 and IPv6 have in common: socket(7), ip(7), ipv6(7). */

import { native } from "../native.js";
import { sourceOf, type Found } from "./types.js";

export const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const IPPROTO_IP = 0;
export const IPPROTO_IPV6 = 41;

/** REUSEADDR, BROADCAST, REUSEPORT, BINDTODEVICE, SELECT_ERR_QUEUE, BUSY_POLL, MAX_PACING_RATE, ZEROCOPY, PREFER_BUSY_POLL, TXREHASH */
export const OF_INET = [2, 6, 15, 25, 45, 46, 47, 60, 69, 74].map((name): [number, number] => [SOL_SOCKET, name]);
/** TOS, TTL, MTU_DISCOVER, FREEBIND, TRANSPARENT, MINTTL, BIND_ADDRESS_NO_PORT, UNICAST_IF, LOCAL_PORT_RANGE */
export const OF_IP = [1, 2, 10, 15, 19, 21, 24, 50, 51].map((name): [number, number] => [IPPROTO_IP, name]);
/** UNICAST_HOPS, MTU_DISCOVER, V6ONLY, DONTFRAG, TCLASS, AUTOFLOWLABEL, MINHOPCOUNT, UNICAST_IF */
export const OF_IPV6 = [16, 23, 26, 62, 67, 70, 73, 76].map((name): [number, number] => [IPPROTO_IPV6, name]);

/** Where the kernel chooses between several sockets of an address by a program: who attached that cannot be asked for it. */
export const CHOSEN_REASON = {
  why: "a program chooses between it and others of its address (SO_ATTACH_REUSEPORT_*)",
  hint: "let the program detach it",
};
export const ELSEWHERE_REASON = { why: "it is of another network namespace", hint: "let the program close it first" };

/** Of a struct sockaddr_in or sockaddr_in6: whether it has been bound, be it to an address without a port only. */
export function isBound(address: Uint8Array): boolean {
  const bytes = Buffer.from(address);
  const ip = bytes.readUInt16LE() === AF_INET6 ? bytes.subarray(8, 24) : bytes.subarray(4, 8);
  return bytes.readUInt16BE(2) !== 0 || ip.some((byte) => byte !== 0);
}

export function kindOf(fd: number): { domain: number; type: number; protocol: number } {
  const [domain, type, protocol] = native()
    .socketOptions(fd, [SOL_SOCKET, SOL_SOCKET, SOL_SOCKET], [SO_DOMAIN, SO_TYPE, SO_PROTOCOL])
    .map((value) => (value instanceof Uint8Array ? Buffer.from(value).readInt32LE() : -1));
  return { domain: domain ?? -1, type: type ?? -1, protocol: protocol ?? -1 };
}

/** "TCP", "UDPv6", "SCTP", "PACKET" ...: told by the file of the socket, without a descriptor on it. */
export function protocolOf(found: Found): string | undefined {
  const [protocol] = native().socketProtocols([sourceOf(found)]);
  return typeof protocol === "string" ? protocol : undefined;
}

export function isOfProtocol(found: Found, name: "TCP" | "UDP" | "NETLINK"): boolean {
  const protocol = protocolOf(found);
  return protocol === name || protocol === `${name}v6`;
}
