/** Options of sockets that are not those of a new one, socket(7). */

import { closeSync } from "node:fs";

import type { SocketOption } from "../image/schema.js";
import { native } from "../native.js";
import type { RestoreContext } from "../restore/context.js";
import { OP, type Op, type Subject } from "../restore/plan.js";

const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

export interface SocketKind {
  domain: number;
  type: number;
  protocol: number;
}

/** Level and name of those that are looked at. */
type OptionNames = readonly (readonly [number, number])[];

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

/** What somebody has attached that cannot be asked for. */
export const FILTER_REASON = { why: "a filter is attached to it (SO_ATTACH_FILTER, SO_ATTACH_BPF)", hint: "let the program detach it" };

/** The options of a socket that a new one of its kind does not have. */
export function readOptions(fd: number, kind: SocketKind, names: OptionNames): SocketOption[] {
  const found = valuesOf(fd, names);
  const usual = usualOptions(kind, names);
  return names.flatMap(([level, name], i): SocketOption[] => {
    const value = found[i];
    const other = usual[i];
    if (!(value instanceof Uint8Array)) return [];
    if (other instanceof Uint8Array && Buffer.compare(value, other) === 0) return [];
    return [{ level, name, value }];
  });
}

function valuesOf(fd: number, names: OptionNames): (Uint8Array | number)[] {
  return native().socketOptions(
    fd,
    names.map(([level]) => level),
    names.map(([, name]) => name),
  );
}

const known = new Map<string, (Uint8Array | number)[]>();

function usualOptions(kind: SocketKind, names: OptionNames): (Uint8Array | number)[] {
  const key = `${kind.domain} ${kind.type} ${kind.protocol} ${names.join()}`;
  let options = known.get(key);
  if (options === undefined) {
    const fd = native().newSocket(kind.domain, kind.type, kind.protocol);
    try {
      known.set(key, (options = valuesOf(fd, names)));
    } finally {
      closeSync(fd);
    }
  }
  return options;
}

/** `late`: takes those that change what a message carries, until all are there. */
export function setOptions(
  options: readonly SocketOption[],
  slot: number,
  context: RestoreContext,
  { subject, late }: { subject: Subject; late?: (op: Op) => void },
): void {
  for (const { level, name, value } of options) {
    const op = { type: OP.SOCKOPT, slot, arg: level, a: BigInt(name), data: value, subject };
    if (level === SOL_SOCKET && isBufferSize(name)) {
      // what is read is twice what was set
      context.create(bufferSize(slot, name, Math.floor(Buffer.from(value).readInt32LE() / 2), subject));
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
  const [usual] = usualOptions(kind, [[SOL_SOCKET, SO_SNDBUF]]);
  const value = set ?? usual;
  const size = value instanceof Uint8Array ? Math.floor(Buffer.from(value).readInt32LE() / 2) : 0;
  if (bytes <= size) return undefined;
  return { before: bufferSize(slot, SO_SNDBUF, bytes, subject), after: bufferSize(slot, SO_SNDBUF, size, subject) };
}
