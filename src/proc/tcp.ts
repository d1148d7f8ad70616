/** /proc/net/tcp and /proc/net/tcp6, proc(5): the TCP sockets of the machine, those included that no task has open. */

import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

export interface TcpEntry {
  /** as {@link endpointOf} has it */
  local: string;
  remote: string;
  /** TCP_ESTABLISHED 1 and so on, include/net/tcp_states.h */
  state: number;
  /** bytes that were not read */
  unread: number;
  /** 0: no descriptor leads to it */
  ino: bigint;
}

const AF_INET6 = 10;

/** Of a struct sockaddr_in or sockaddr_in6: the same for an IPv4 address and for that mapped into IPv6. */
export function endpointOf(address: Uint8Array): string {
  const bytes = Buffer.from(address);
  const ip = bytes.readUInt16LE(0) === AF_INET6 ? bytes.subarray(8, 24) : bytes.subarray(4, 8);
  return `${plain(ip).toString("hex")}:${bytes.readUInt16BE(2)}`;
}

const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

function plain(ip: Buffer): Buffer {
  return ip.length === 16 && ip.subarray(0, 12).equals(MAPPED) ? ip.subarray(12) : ip;
}

/** Of "10.0.0.1:80" or "[fe80::1]:80". */
export function parseEndpointText(text: string): string {
  const end = text.lastIndexOf(":");
  const ip = text.slice(0, end);
  return `${ip.startsWith("[") ? hexOf6(ip.slice(1, -1)) : hexOf4(ip)}:${text.slice(end + 1)}`;
}

/** The address part of an endpoint, and its port. */
export function splitEndpoint(endpoint: string): { ip: string; port: number } {
  const [ip = "", port = ""] = endpoint.split(":");
  return { ip, port: Number(port) };
}

/** Whether it is bound to any address. */
export function isAny(ip: string): boolean {
  return /^0*$/.test(ip);
}

/** Words of 32 bits as the machine has them, then the port. */
function parseEndpoint(text: string): string {
  const [words = "", port = ""] = text.split(":");
  const bytes = Buffer.from(words, "hex");
  bytes.swap32();
  return `${plain(bytes).toString("hex")}:${parseInt(port, 16)}`;
}

export function parseTcp(text: string): TcpEntry[] {
  return text
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => {
      const [, local = "", remote = "", state = "", queues = "", , , , , ino = "0"] = line.trim().split(/ +/);
      return {
        local: parseEndpoint(local),
        remote: parseEndpoint(remote),
        state: parseInt(state, 16),
        unread: parseInt(queues.split(":")[1] ?? "0", 16),
        ino: BigInt(ino),
      };
    });
}

/** Those of our network namespace. */
export function readTcp(): TcpEntry[] {
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path): TcpEntry[] => {
    try {
      return parseTcp(readFileSync(path, "latin1"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return []; // without IPv6
      throw error;
    }
  });
}

/** The addresses of this machine beside 127.0.0.0/8, as {@link endpointOf} writes them. */
export function ownAddresses(): Set<string> {
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return new Set(addresses.map(({ address, family }) => (family === "IPv4" ? hexOf4(address) : hexOf6(address))));
}

/** Whether nothing that is sent there leaves this machine; `own` as {@link ownAddresses} has them. */
export function isOwn(endpoint: string, own: ReadonlySet<string>): boolean {
  const { ip } = splitEndpoint(endpoint);
  return isLoopback(ip) || own.has(ip);
}

export function isLoopback(ip: string): boolean {
  return ip.length === 8 && ip.startsWith("7f");
}

function hexOf4(address: string): string {
  return Buffer.from(address.split(".").map(Number)).toString("hex");
}

function hexOf6(address: string): string {
  const [head = "", tail] = address.split("%", 1)[0]?.split("::") ?? [];
  const groups = (text: string | undefined): string[] => (text === undefined || text === "" ? [] : text.split(":"));
  const before = groups(head);
  const after = groups(tail);
  const zeroes = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeroes, ...after].map((group) => group.padStart(4, "0")).join("");
}
