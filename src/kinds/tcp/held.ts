/** Connections out of a tree whose packets the kernel module holds back while the tree is in an image: kmod/crctl_net.h. */

import { closeSync, constants, openSync, readFileSync } from "node:fs";

import { CrctlError, isSystemError } from "../../errors.js";
import type { OpenFile } from "../../image/schema.js";
import { native, type FrozenTask } from "../../native.js";
import { endpointOf, parseEndpointText, readTcp, splitEndpoint } from "../../proc/tcp.js";
import { viaOf } from "../../proc/via.js";
import { CONNECTED, keyOf } from "./connections.js";

export const HELD_PATH = "/proc/net/crctl";

/** CRCTL_MAX_CONNECTIONS */
const MOST = 65536;
const AF_INET = 2;
const AF_INET6 = 10;
/** struct crctl_connection: local, remote, local_port, remote_port, family */
const RECORD_SIZE = 40;
const REMOTE = 16;
const PORTS = 32;
const FAMILY = 36;

/** A struct crctl_connection. */
export function recordOf(key: string): Uint8Array {
  const [first = "", second = ""] = key.split(" ");
  const local = splitEndpoint(first);
  const remote = splitEndpoint(second);
  const record = Buffer.alloc(RECORD_SIZE);
  record.write(local.ip, 0, "hex");
  record.write(remote.ip, REMOTE, "hex");
  record.writeUInt16BE(local.port, PORTS);
  record.writeUInt16BE(remote.port, PORTS + 2);
  record.writeUInt16LE(local.ip.length === 8 ? AF_INET : AF_INET6, FAMILY);
  return record;
}

/** Keys of the connections that were left held back by a dump, of what {@link HELD_PATH} reads as. */
export function parseLeft(text: string): Set<string> {
  const lines = text.split("\n").map((line) => line.split(" "));
  return new Set(
    lines.flatMap(([, local = "", remote = "", state]) =>
      state === "left" ? [keyOf(parseEndpointText(local), parseEndpointText(remote))] : [],
    ),
  );
}

/** Undefined: nobody is there to hold connections back. A system error: we may not ask. */
export function readLeft(): Set<string> | undefined {
  try {
    return parseLeft(readFileSync(HELD_PATH, "latin1"));
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") return undefined;
    throw error;
  }
}

export const NOT_HERE = {
  why: "packets of connections cannot be held back: /proc/net/crctl is not there",
  hint: "load the module of this version of crctl, on a kernel with CONFIG_NETFILTER",
} as const;

/** Those of a frozen tree. */
export class HeldConnections {
  private constructor(
    private fd: number | undefined,
    private readonly held: Set<string>,
  ) {}

  /** From here on nothing comes through, in either direction. */
  static hold(tasks: readonly FrozenTask[]): HeldConnections {
    const keys = outOf(socketsOf(tasks.map(viaOf)));
    if (keys.length === 0) return new HeldConnections(undefined, new Set());
    const fd = open();
    try {
      native().holdConnections(fd, Buffer.concat(keys.map(recordOf)));
    } catch (error) {
      closeSync(fd);
      throw explain(error, keys.length);
    }
    return new HeldConnections(fd, new Set(keys));
  }

  has(key: string): boolean {
    return this.held.has(key);
  }

  /** How many of the files are such connections: all others go on. */
  settle(files: readonly OpenFile[]): number {
    const kept = new Set(
      files.flatMap((file) =>
        file.kind === "tcp" && file.address !== undefined && file.connection?.state === "kept"
          ? [keyOf(endpointOf(file.address), endpointOf(file.connection.peer))]
          : [],
      ),
    );
    const others = [...this.held].filter((key) => !kept.has(key));
    if (this.fd !== undefined && others.length > 0) native().letConnections(this.fd, Buffer.concat(others.map(recordOf)));
    for (const key of others) this.held.delete(key);
    return kept.size;
  }

  /** They stay held back when we are gone, if that process has been killed by then. */
  leave(pid: number): void {
    if (this.fd !== undefined) native().leaveConnections(this.fd, pid);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }
}

function explain(error: unknown, count: number): unknown {
  if (!isSystemError(error)) return error;
  const object = "TCP connection";
  if (error.code === "EBUSY")
    return new CrctlError("E_CONFLICT", "another crctl holds a connection of the tree", { object, hint: "try again" });
  if (error.code === "ENOSPC" || count > MOST)
    return new CrctlError("E_UNSUPPORTED", `more than ${MOST} connections of this network namespace would be held back`, {
      object,
      hint: "see /proc/net/crctl; use --tcp-close",
    });
  return error;
}

function open(): number {
  try {
    return openSync(HELD_PATH, constants.O_RDWR);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const object = "TCP connection";
    if (error.code === "ENOENT") throw new CrctlError("E_KERNEL", NOT_HERE.why, { object, hint: NOT_HERE.hint });
    if (error.code !== "EPERM") throw error;
    const hint = "run crctl dump as root, or with CAP_NET_ADMIN";
    throw new CrctlError("E_PERMISSION", "to hold packets of connections back takes CAP_NET_ADMIN", { object, hint });
  }
}

const SOCKET = /^socket:\[(\d+)\]$/;

/** Inodes of the sockets that these have open. */
function socketsOf(pids: readonly number[]): Set<bigint> {
  const inodes = new Set<bigint>();
  for (const pid of pids) {
    const paths = native()
      .listNumbers(`/proc/${pid}/fd`)
      .map((fd) => `/proc/${pid}/fd/${fd}`);
    for (const link of native().readLinks(paths)) {
      const ino = typeof link === "string" ? SOCKET.exec(link)?.[1] : undefined;
      if (ino !== undefined) inodes.add(BigInt(ino));
    }
  }
  return inodes;
}

/** Connections of these whose other end is not one of them. More than are kept: settle() lets go those that wait for one of them. */
function outOf(inodes: ReadonlySet<bigint>): string[] {
  if (inodes.size === 0) return [];
  const entries = readTcp();
  const inside = new Set(entries.filter(({ ino }) => inodes.has(ino)).map(({ local, remote }) => keyOf(local, remote)));
  const own = entries.filter(({ ino, state }) => CONNECTED.has(state) && inodes.has(ino));
  return [
    ...new Set(own.filter(({ local, remote }) => !inside.has(keyOf(remote, local))).map(({ local, remote }) => keyOf(local, remote))),
  ];
}
