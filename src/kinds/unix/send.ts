/** What is unread in sockets of AF_UNIX: it is sent again. */

import type { UnixFile, UnixMessage } from "../../image/schema.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP } from "../../restore/plan.js";
import { roomToSend } from "../socket-options.js";
import { AF_UNIX, SOCK_DGRAM, plainName, type Made } from "./types.js";

/** What the kernel needs for a message, at most, beyond twice its bytes. */
const OVERHEAD = 8192;

interface From {
  slot: number;
  /** whose options it has; undefined: it goes afterwards */
  file?: UnixFile;
  /** the name of who it is for if they are not connected */
  to?: Uint8Array;
}

export class Sender {
  /** those that are there for a moment */
  private readonly temporary: number[] = [];
  /** of them those that have a name, by it */
  private readonly named = new Map<string, number>();
  /** sockets of datagrams that are there, by name */
  private readonly byName: ReadonlyMap<string, UnixFile>;

  constructor(
    private readonly made: Made,
    private readonly context: RestoreContext,
  ) {
    const datagrams = made.files.filter(({ type }) => type === SOCK_DGRAM);
    this.byName = new Map(datagrams.flatMap((file) => (file.name === undefined ? [] : [[keyOf(file.name), file]])));
  }

  sendAll(): void {
    const mails = this.made.files.flatMap((file) =>
      file.messages.map((message) => ({ file, message, from: this.senderOf(file, message) })),
    );
    const bytes = new Map<number, number>();
    for (const { from, message } of mails) bytes.set(from.slot, (bytes.get(from.slot) ?? 0) + 2 * message.data.length + OVERHEAD);
    const rooms = [...new Map(mails.map(({ from, file }) => [from.slot, { from, file }])).values()].map(({ from, file }) => ({
      temporary: from.file === undefined,
      ...roomToSend(bytes.get(from.slot) ?? 0, {
        slot: from.slot,
        kind: { domain: AF_UNIX, type: file.type, protocol: 0 },
        options: from.file?.options ?? [],
        subject: this.context.subject(file),
      }),
    }));
    for (const { before } of rooms) if (before !== undefined) this.context.finish(before);
    for (const { file, message, from } of mails) this.send(from, message, file);
    for (const { after, temporary } of rooms) if (after !== undefined && !temporary) this.context.finish(after);
    for (const [file, slot] of this.made.lost) if (file.reset === true) this.leaveUnread(file, slot);
  }

  close(): void {
    for (const slot of this.temporary) this.context.finish({ type: OP.CLOSE, slot });
  }

  private send({ slot, to }: From, message: UnixMessage, file: UnixFile): void {
    const head = encodeHead(message, to, this.slotsOf(message, file));
    this.context.finish({ type: OP.SEND, slot, data: [head, message.data], subject: this.context.subject(file) });
  }

  /** Of an end that goes now with something unread in it, the other end is told. */
  private leaveUnread(file: UnixFile, lost: number): void {
    const slot = this.made.slots.get(file.ino);
    if (slot !== undefined && slot !== lost) this.send({ slot }, { data: Uint8Array.of(0), files: [] }, file);
  }

  private slotsOf(message: UnixMessage, file: UnixFile): number[] {
    return message.files.map((id) => {
      const slot = this.context.slotOf(id);
      if (slot === undefined) throw new RangeError(`open file ${id}, in a message for ${file.id}, has no slot`);
      return slot;
    });
  }

  private senderOf(file: UnixFile, { from }: UnixMessage): From {
    const connected = this.connectedTo(file);
    if (file.type !== SOCK_DGRAM || file.name === undefined) {
      if (connected !== undefined) return connected;
      throw new RangeError(`nobody can send what socket ${file.ino} has`); // validate.ts
    }
    if (from === undefined) return connected?.file?.name === undefined ? (connected ?? this.stranger(file)) : this.stranger(file);
    const sender = this.byName.get(keyOf(plainName(from)));
    const slot = sender === undefined ? undefined : this.made.slots.get(sender.ino);
    return slot === undefined || sender === undefined ? this.stranger(file, from) : { slot, file: sender, to: file.name };
  }

  private connectedTo(file: UnixFile): From | undefined {
    const lost = this.made.lost.get(file);
    if (lost !== undefined) return { slot: lost };
    const peer = this.made.byIno.get(file.peer);
    const slot = peer?.peer === file.ino ? this.made.slots.get(peer.ino) : undefined;
    return peer === undefined || slot === undefined ? undefined : { slot, file: peer };
  }

  /** A sender that is gone. */
  private stranger(file: UnixFile, from?: Uint8Array): From {
    const to = file.name ?? new Uint8Array();
    const abstract = from?.[0] === 0 ? from : undefined;
    const known = abstract === undefined ? undefined : this.named.get(keyOf(abstract));
    if (known !== undefined) return { slot: known, to };
    const slot = this.context.slot();
    const subject = this.context.subject(file);
    this.context.create({ type: OP.SOCKET, slot, arg: SOCK_DGRAM, a: BigInt(AF_UNIX), subject });
    this.temporary.push(slot);
    if (abstract !== undefined) {
      this.context.create({ type: OP.BIND, slot, data: abstract, subject });
      this.named.set(keyOf(abstract), slot);
    } else if (from !== undefined) {
      this.context.note(
        `a message in socket ${file.ino} was sent by ${plainName(from).toString()}, which is gone; its sender has no name now`,
      );
    }
    return { slot, to };
  }
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name).toString("hex");
}

/** struct plan_message, and what follows it */
function encodeHead({ credentials }: UnixMessage, to: Uint8Array | undefined, slots: readonly number[]): Uint8Array {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(to?.length ?? 0, 0);
  head.writeUInt32LE(slots.length, 4);
  head.writeInt32LE(credentials?.pid ?? 0, 8);
  head.writeUInt32LE(credentials?.uid ?? 0, 12);
  head.writeUInt32LE(credentials?.gid ?? 0, 16);
  return Buffer.concat([head, to ?? new Uint8Array(), Buffer.from(Int32Array.from(slots).buffer)]);
}
