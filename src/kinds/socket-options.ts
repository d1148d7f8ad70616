/** Options of sockets that are not those of a new one, socket(7). */

import { closeSync } from "node:fs";

import type { SocketOption } from "../image/schema.js";
import { native } from "../native.js";
import type { RestoreContext } from "../restore/context.js";
import { OP, type Op, type Subject } from "../restore/plan.js";
import type { Obstacle } from "./types.js";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_LOCK_FILTER = 44;

export interface SocketKind {
  domain: number;
  type: number;
  protocol: number;
}

/** Level and name of those that are looked at. */
export type OptionNames = readonly (readonly [number, number])[];

const SEND_BUFFER: OptionNames = [[SOL_SOCKET, SO_SNDBUF]];

/** What a receiver asks to be told of who sends, or wants to be passed: PASSCRED, PASSSEC, PASSPIDFD, PASSRIGHTS. */
const PASS: readonly number[] = [16, 34, 76, 83];

/**
 * Those of any socket: DEBUG, DONTROUTE, SNDBUF, RCVBUF, KEEPALIVE, PRIORITY, LINGER, RCVLOWAT, RCVTIMEO, SNDTIMEO, TIMESTAMP, TIMESTAMPNS, MARK,
 * TIMESTAMPING, RXQ_OVFL, PEEK_OFF, TIMESTAMP_NEW, TIMESTAMPNS_NEW.
 */
export const GENERIC: OptionNames = [1, 5, 7, 8, 9, 12, 13, 18, 20, 21, 29, 35, 36, 37, 40, 42, 63, 64, ...PASS].map((name) => [
  SOL_SOCKET,
  name,
]);

const DETACH = "let the program detach it";
const STRANGE = { why: "an eBPF program is attached to it as a filter (SO_ATTACH_BPF)", hint: DETACH };
/** It comes back when all messages are there, which is too late for what others have sent by then. */
const EXPOSED = { why: "a filter is attached to it (SO_ATTACH_FILTER), and others may send to it while it is restored", hint: DETACH };

/** Why what looks at all that comes cannot be saved; `exposed`: not only tasks of the tree and the kernel can send to the socket. */
export function obstacleOfFilter(fd: number, exposed: boolean): Obstacle | undefined {
  const program = native().socketFilter(fd);
  if (typeof program === "number") return STRANGE;
  return exposed && program.length > 0 ? EXPOSED : undefined;
}

/** SO_ATTACH_FILTER with its instructions, and SO_LOCK_FILTER. */
function readFilter(fd: number): SocketOption[] {
  const program = native().socketFilter(fd);
  const [locked] = native().socketOptions(fd, [SOL_SOCKET], [SO_LOCK_FILTER]);
  const options = [];
  if (typeof program !== "number" && program.length > 0) options.push({ level: SOL_SOCKET, name: SO_ATTACH_FILTER, value: program });
  // that there shall be none can be locked too
  if (locked instanceof Uint8Array && Buffer.from(locked).readInt32LE() !== 0)
    options.push({ level: SOL_SOCKET, name: SO_LOCK_FILTER, value: locked });
  return options;
}

/** The options of a socket that a new one of its kind does not have. */
export function readOptions(fd: number, kind: SocketKind, names: OptionNames): SocketOption[] {
  const { list, packed } = usualOptions(kind, names);
  const others = native().otherOptions(fd, list, packed);
  const options: SocketOption[] = [];
  for (let i = 0; i < others.length; i += 2) {
    const [index, value] = [others[i], others[i + 1]];
    const name = typeof index === "number" ? names[index] : undefined;
    if (name !== undefined && value instanceof Uint8Array) options.push({ level: name[0], name: name[1], value });
  }
  options.push(...readFilter(fd));
  return options;
}

interface Usual {
  values: readonly (Uint8Array | number)[];
  /** both as native().otherOptions() has them */
  list: Int32Array;
  packed: Uint8Array;
}

/** By the list of names, which there is one of for each kind, and by kind. */
const known = new WeakMap<OptionNames, Map<string, Usual>>();

function usualOptions(kind: SocketKind, names: OptionNames): Usual {
  let kinds = known.get(names);
  if (kinds === undefined) known.set(names, (kinds = new Map<string, Usual>()));
  const key = `${kind.domain} ${kind.type} ${kind.protocol}`;
  let usual = kinds.get(key);
  if (usual === undefined) {
    const fd = native().newSocket(kind.domain, kind.type, kind.protocol);
    try {
      const values = native().socketOptions(
        fd,
        names.map(([level]) => level),
        names.map(([, name]) => name),
      );
      kinds.set(key, (usual = { values, list: Int32Array.from(names.flat()), packed: pack(values) }));
    } finally {
      closeSync(fd);
    }
  }
  return usual;
}

function pack(values: readonly (Uint8Array | number)[]): Uint8Array {
  return Buffer.concat(
    values.map((value) => {
      const length = Buffer.alloc(4);
      length.writeInt32LE(value instanceof Uint8Array ? value.length : -1);
      return value instanceof Uint8Array ? Buffer.concat([length, value]) : length;
    }),
  );
}

/** `late`: takes those that change what a message carries, until all are there. */
export function setOptions(
  options: readonly SocketOption[],
  slot: number,
  context: Pick<RestoreContext, "create" | "arm">,
  { subject, late }: { subject: Subject; late?: (op: Op) => void },
): void {
  for (const { level, name, value } of options) {
    const op = { type: OP.SOCKOPT, slot, arg: level, a: BigInt(name), data: value, subject };
    if (level === SOL_SOCKET && isBufferSize(name)) {
      // what is read is twice what was set
      context.create(bufferSize(slot, name, Math.floor(Buffer.from(value).readInt32LE() / 2), subject));
    } else if (level === SOL_SOCKET && (name === SO_ATTACH_FILTER || name === SO_LOCK_FILTER)) {
      // what comes again has been looked at
      context.arm(name === SO_ATTACH_FILTER ? { type: OP.FILTER, slot, data: value, subject } : op);
    } else if (late !== undefined && level === SOL_SOCKET && PASS.includes(name)) {
      late(op);
    } else {
      context.create(op);
    }
  }
}

/** Of SOL_SOCKET. */
export function isBufferSize(name: number): boolean {
  return name === SO_SNDBUF || name === SO_RCVBUF;
}

/** The limits for it are those of who sets it. */
function bufferSize(slot: number, name: number, size: number, subject: Subject): Op {
  const data = Buffer.alloc(4);
  data.writeInt32LE(size);
  const forced = BigInt(name === SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE);
  return { type: OP.SOCKOPT, slot, arg: SOL_SOCKET, a: BigInt(name), b: forced, data, subject };
}

/** Of a socket that has to send so much now, which may be more than it could; and then what it has for ever. */
export function roomToSend(
  bytes: number,
  { slot, kind, options, subject }: { slot: number; kind: SocketKind; options: readonly SocketOption[]; subject: Subject },
): { before: Op; after: Op } | undefined {
  const set = options.find(({ level, name }) => level === SOL_SOCKET && name === SO_SNDBUF)?.value;
  const [usual] = usualOptions(kind, SEND_BUFFER).values;
  const value = set ?? usual;
  const size = value instanceof Uint8Array ? Math.floor(Buffer.from(value).readInt32LE() / 2) : 0;
  if (bytes <= size) return undefined;
  return { before: bufferSize(slot, SO_SNDBUF, bytes, subject), after: bufferSize(slot, SO_SNDBUF, size, subject) };
}
