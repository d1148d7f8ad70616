/** Sockets of AF_UNIX, made again. Names first, then connections, then what is in them, once all tasks are there. */

import type { UnixFile } from "../../image/schema.js";
import { O_NONBLOCK } from "../../proc/fdinfo.js";
import type { RestoreContext } from "../../restore/context.js";
import { OP } from "../../restore/plan.js";
import { setOwner, settableFlags } from "../open.js";
import { setOptions } from "../socket-options.js";
import { Names, keyOfName } from "./bind.js";
import { Sender } from "./send.js";
import type { Made } from "./types.js";
import { AF_UNIX, SOCK_DGRAM } from "./types.js";

const SHUT_RD = 0;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
/** UnixFile.shutdown */
const RECEIVES_NO_MORE = 1;
const SENDS_NO_MORE = 2;

export function unixRestore(files: readonly UnixFile[], context: RestoreContext): void {
  new UnixRestore(files, context).run();
}

/** Who accepts connections: a socket of the tree, or one that is gone and is there for a moment. */
interface Server {
  slot: number;
  file: UnixFile;
}

class UnixRestore implements Made {
  readonly byIno: ReadonlyMap<bigint, UnixFile>;
  readonly slots = new Map<bigint, number>();
  readonly lost = new Map<UnixFile, number>();
  private readonly names: Names;
  /** by name */
  private readonly servers = new Map<string, Server>();
  /** how many connections have a name: those that were accepted have that of who listened */
  private readonly accepted = new Map<string, number>();

  constructor(
    readonly files: readonly UnixFile[],
    private readonly context: RestoreContext,
  ) {
    // a path that a later socket has made anew: the file is that one's
    this.files = [...files].sort((a, b) => Number(a.file !== undefined) - Number(b.file !== undefined));
    this.byIno = new Map(files.map((file) => [file.ino, file]));
    this.names = new Names(context);
    for (const file of files) {
      const key = keyOfName(file);
      if (key !== undefined && isAccepted(file)) this.accepted.set(key, (this.accepted.get(key) ?? 0) + 1);
    }
  }

  run(): void {
    const { context } = this;
    for (const file of this.files) if (file.state === "listening") this.makeListening(file);
    for (const file of this.files) if (!this.slots.has(file.ino)) this.make(file);
    for (const file of this.files) this.place(file);
    const waiting = this.files.filter(({ waitsFor }) => waitsFor !== undefined).sort((a, b) => (a.turn ?? 0) - (b.turn ?? 0));
    for (const file of waiting) this.connectWaiting(file);
    // messages may hold anything
    context.whenPlaced(() => {
      const sender = new Sender(this, context);
      sender.sendAll();
      for (const file of this.files) this.connectDatagram(file);
      for (const file of this.files) this.shutDown(file);
      for (const slot of this.lost.values()) context.finish({ type: OP.CLOSE, slot });
      sender.close();
    });
  }

  private make(file: UnixFile): void {
    const peer = this.byIno.get(file.peer);
    if (file.type === SOCK_DGRAM) this.makeDatagram(file, peer);
    else if (file.state === "open" || file.waitsFor !== undefined) this.makeSocket(file);
    else if (peer === undefined) this.makeLost(file);
    else this.makeConnection(file, peer);
  }

  private makeSocket(file: UnixFile): number {
    const slot = this.newSocket(file);
    this.slots.set(file.ino, slot);
    this.names.bind(file, slot);
    return slot;
  }

  private newSocket(file: UnixFile): number {
    const slot = this.context.slot();
    this.context.create({ type: OP.SOCKET, slot, arg: file.type, a: BigInt(AF_UNIX), subject: this.context.subject(file) });
    return slot;
  }

  private makeListening(file: UnixFile): void {
    const slot = this.makeSocket(file);
    this.context.create({ type: OP.LISTEN, slot, arg: file.backlog, subject: this.context.subject(file) });
    const key = keyOfName(file);
    if (key !== undefined) this.servers.set(key, { slot, file });
  }

  private makePair(file: UnixFile): number {
    const [slot, other] = [this.context.slot(), this.context.slot()];
    this.slots.set(file.ino, slot);
    this.context.create({ type: OP.SOCKETPAIR, slot, arg: other, a: BigInt(file.type), subject: this.context.subject(file) });
    return other;
  }

  /** The other end goes when what it had sent is in this one. */
  private makeLost(file: UnixFile): void {
    const server = this.serverOf(file);
    if (server !== undefined) {
      const client = this.newSocket(file);
      this.lost.set(file, client);
      this.accept(file, server, client);
      return;
    }
    this.lost.set(file, this.makePair(file));
    this.bindOwn(file);
  }

  /** A socket that was accepted has the name of the one that listened, which no other can be given while that is there. */
  private makeConnection(file: UnixFile, peer: UnixFile): void {
    const own = this.serverOf(file);
    const server = own ?? this.serverOf(peer);
    if (server === undefined) {
      this.slots.set(peer.ino, this.makePair(file));
      this.bindOwn(file);
      this.bindOwn(peer);
      return;
    }
    const [accepted, client] = own === undefined ? [peer, file] : [file, peer];
    this.accept(accepted, server, this.makeSocket(client));
  }

  private accept(accepted: UnixFile, server: Server, client: number): void {
    const slot = this.context.slot();
    this.slots.set(accepted.ino, slot);
    this.names.connect(accepted, client, server.file, (op) => this.context.create(op));
    this.context.create({ type: OP.ACCEPT, slot, arg: server.slot, subject: this.context.subject(accepted) });
  }

  private serverOf(file: UnixFile): Server | undefined {
    const key = keyOfName(file);
    if (key === undefined || file.type === SOCK_DGRAM) return undefined;
    const known = this.servers.get(key);
    // one that has a name for itself alone may have been given it before it was connected
    if (known !== undefined || (this.accepted.get(key) ?? 0) < 2) return known;
    const server = { slot: this.newSocket(file), file };
    this.names.bind(file, server.slot);
    this.context.create({ type: OP.LISTEN, slot: server.slot, arg: 1, subject: this.context.subject(file) });
    this.context.scratch(server.slot);
    this.servers.set(key, server);
    return server;
  }

  private makeDatagram(file: UnixFile, peer: UnixFile | undefined): void {
    if (file.state === "connected" && peer === undefined) {
      this.makeLost(file);
      return;
    }
    const mutual = peer?.peer === file.ino;
    if (peer !== undefined && mutual && !this.slots.has(peer.ino)) {
      this.slots.set(peer.ino, this.makePair(file));
      this.bindOwn(file);
      this.bindOwn(peer);
      return;
    }
    this.makeSocket(file);
  }

  private bindOwn(file: UnixFile): void {
    const slot = this.slots.get(file.ino);
    if (slot !== undefined) this.names.bind(file, slot);
  }

  private connectWaiting(file: UnixFile): void {
    const slot = this.slots.get(file.ino);
    const listener = this.byIno.get(file.waitsFor ?? 0n);
    if (slot !== undefined && listener !== undefined) this.names.connect(file, slot, listener, (op) => this.context.create(op));
  }

  /** Flags and options, now that all have their names. */
  private place(file: UnixFile): void {
    const { context } = this;
    const slot = this.slots.get(file.ino);
    if (slot === undefined) return;
    const subject = context.subject(file);
    // whoever asks to be told of senders is told of who sends again
    setOptions(file.options, slot, context, { subject, late: (op) => context.arm(op) });
    // they were made so that nothing blocks: what blocked before does so again when the tree runs
    if ((file.flags & O_NONBLOCK) === 0) context.finish({ type: OP.SETFL, slot, flags: settableFlags(file), subject });
    context.place(file, slot);
    setOwner(file, slot, context);
  }

  /** One that hears nobody else from now on, when it has what others had sent before. */
  private connectDatagram(file: UnixFile): void {
    const [slot, peer] = [this.slots.get(file.ino), this.byIno.get(file.peer)];
    if (file.type !== SOCK_DGRAM || file.state !== "connected" || slot === undefined || peer === undefined || peer.peer === file.ino)
      return;
    this.names.connect(file, slot, peer, (op) => this.context.finish(op));
  }

  private shutDown(file: UnixFile): void {
    const slot = this.slots.get(file.ino);
    // an end that is gone has closed both
    if (slot === undefined || this.lost.has(file)) return;
    const subject = this.context.subject(file);
    const bits = file.shutdown;
    if (file.type === SOCK_DGRAM || file.state !== "connected") {
      const how = bits === (RECEIVES_NO_MORE | SENDS_NO_MORE) ? SHUT_RDWR : bits === RECEIVES_NO_MORE ? SHUT_RD : SHUT_WR;
      if (bits !== 0) this.context.finish({ type: OP.SHUTDOWN, slot, arg: how, subject });
    } else if ((bits & SENDS_NO_MORE) !== 0) {
      // and the other end receives no more
      this.context.finish({ type: OP.SHUTDOWN, slot, arg: SHUT_WR, subject });
    }
  }
}

function isAccepted({ state, type, waitsFor }: UnixFile): boolean {
  return state === "connected" && type !== SOCK_DGRAM && waitsFor === undefined;
}
