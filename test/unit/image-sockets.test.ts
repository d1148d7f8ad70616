/** Sockets of bad images: each reference and number that makes no sense is refused before anything is planned. */

import { expect } from "chai";

import { ShapeError } from "../../src/image/check.js";
import type { NetlinkFile, OpenFile, TcpFile, TcpOpen, UdpFile, UnixFile, UnixMessage } from "../../src/image/schema.js";
import { crossCheckSockets } from "../../src/image/validate-sockets.js";

function unix(id: number, more: Partial<UnixFile> = {}): UnixFile {
  return {
    id,
    flags: 2,
    kind: "unix",
    ino: BigInt(id + 100),
    type: 1,
    state: "open",
    backlog: 0,
    peer: 0n,
    shutdown: 0,
    messages: [],
    options: [],
    ...more,
  };
}

/** 127.0.0.1, port 80 */
const ADDRESS = Uint8Array.of(2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0);

const abstract = (text: string): Uint8Array => Buffer.from(`\0${text}`);
const message = (more: Partial<UnixMessage> = {}): UnixMessage => ({ data: Uint8Array.of(1), files: [], ...more });
const connected = (id: number, peer: number, more: Partial<UnixFile> = {}): UnixFile =>
  unix(id, { state: "connected", peer: BigInt(peer + 100), ...more });

function check(...files: OpenFile[]): void {
  crossCheckSockets(files, (condition, what) => {
    if (!condition) throw new ShapeError(what);
  });
}

describe("image: sockets", () => {
  it("takes what there can be", () => {
    check(connected(0, 1, { messages: [message({ files: [0, 1] })] }), connected(1, 0));
    check(unix(0, { state: "connected", messages: [message()], reset: true }));
    check(unix(0, { type: 2, name: abstract("box"), messages: [message({ from: abstract("gone") })] }));
    check(
      unix(0, { state: "listening", name: Buffer.from("/a/path"), backlog: 5 }),
      unix(1, { state: "connected", waitsFor: 100n, turn: 0 }),
    );
    check(unix(0, { type: 2, name: abstract("box") }), connected(1, 0, { type: 2 }));
    check(unix(0, { name: Buffer.from("below"), directory: "/somewhere" }));
    check(
      tcp({ address: ADDRESS, connection: open({ peerIno: 2n }) }),
      tcp({ id: 1, ino: 2n, address: ADDRESS, connection: open({ peerIno: 1n }) }),
      tcp({ id: 2, ino: 3n, listening: true, address: ADDRESS }),
      tcp({ id: 3, ino: 4n, address: ADDRESS, connection: open({ state: "waiting", waitsFor: 3n }) }),
      tcp({ id: 4, ino: 5n, connection: { state: "reset", received: new Uint8Array() } }),
      udp({ id: 5, ino: 6n, address: ADDRESS, datagrams: [{ data: new Uint8Array(65507), from: ADDRESS }] }),
    );
  });

  const bad: Record<string, OpenFile[]> = {
    "an inode twice": [unix(0, { ino: 5n }), unix(1, { ino: 5n })],
    "a type that there is not": [unix(0, { type: 3 })],
    "an end that another is connected to": [connected(0, 1), connected(1, 2), connected(2, 1)],
    "an end of another type": [connected(0, 1), connected(1, 0, { type: 5 })],
    "one that is connected to itself": [connected(0, 0)],
    "one that listens without a name": [unix(0, { state: "listening" })],
    "one that listens for datagrams": [unix(0, { state: "listening", type: 2, name: abstract("x") })],
    "one that waits for nobody": [unix(0, { state: "connected", waitsFor: 77n })],
    "one that waits for one that does not listen": [unix(0, { state: "connected", waitsFor: 101n }), unix(1, { name: abstract("x") })],
    "a message that nobody sent": [unix(0, { messages: [message()] })],
    "a message in one that waits": [
      unix(0, { state: "listening", name: abstract("x") }),
      unix(1, { state: "connected", waitsFor: 100n, messages: [message()] }),
    ],
    "a message for one without a name": [unix(0, { type: 2, messages: [message()] })],
    "a message with a file that is not there": [connected(0, 1, { messages: [message({ files: [2] })] }), connected(1, 0)],
    "a message with too many files": [connected(0, 1, { messages: [message({ files: Array<number>(254).fill(0) })] }), connected(1, 0)],
    "a message of an impossible sender": [
      connected(0, 1, { messages: [message({ credentials: { pid: 1, uid: 2 ** 32, gid: 0 } })] }),
      connected(1, 0),
    ],
    "a datagram socket connected to one that has no name": [unix(0, { type: 2 }), connected(1, 0, { type: 2 })],
    "a name that is too long": [unix(0, { name: new Uint8Array(109).fill(65) })],
    "a name of no length": [unix(0, { name: new Uint8Array() })],
    "a path with a NUL": [unix(0, { name: Buffer.from("/a\0b") })],
    "a relative path below nothing": [unix(0, { name: Buffer.from("a") })],
    "a huge backlog": [unix(0, { state: "listening", name: abstract("x"), backlog: 2 ** 40 })],
    "an option's number": [unix(0, { options: [{ level: 1, name: 2 ** 32 + 1, value: new Uint8Array(4) }] })],
    "a buffer's size": [unix(0, { options: [{ level: 1, name: 7, value: new Uint8Array(3) }] })],
    "a direction that there is not": [unix(0, { shutdown: 4 })],
    "a TCP socket of another family": [tcp({ domain: 1 })],
    "a TCP address of another family": [tcp({ address: Uint8Array.of(1, 0, ...new Array<number>(14).fill(0)) })],
    "a TCP address that is too short": [tcp({ address: Uint8Array.of(2, 0, 0, 80) })],
    "a TCP connection without an address": [tcp({ connection: open() })],
    "a TCP connection that listens": [tcp({ address: ADDRESS, listening: true, connection: open() })],
    "a TCP connection to one that is not there": [tcp({ address: ADDRESS, connection: open({ peerIno: 9n }) })],
    "a TCP connection to one of another": [
      tcp({ address: ADDRESS, connection: open({ peerIno: 2n }) }),
      tcp({ id: 1, ino: 2n, address: ADDRESS, connection: open({ peerIno: 2n }) }),
    ],
    "a TCP connection to one with another address": [
      tcp({ address: ADDRESS, connection: open({ peerIno: 2n }) }),
      tcp({ id: 1, ino: 2n, address: Uint8Array.of(2, 0, 0, 81, ...ADDRESS.slice(4)), connection: open({ peerIno: 1n }) }),
    ],
    "a UDP socket that is shut down in an unknown way": [udp({ shutdown: 4 })],
    "a TCP connection that waits for nobody": [tcp({ address: ADDRESS, connection: open({ state: "waiting", waitsFor: 5n }) })],
    "a TCP connection with another family's end": [tcp({ address: ADDRESS, connection: open({ peer: new Uint8Array(28) }) })],
    "a TCP connection with an impossible window": [tcp({ address: ADDRESS, connection: open({ sendScale: 15 }) })],
    "a TCP connection with a long number": [tcp({ address: ADDRESS, connection: open({ receiveNext: 2 ** 32 }) })],
    "a TCP connection out of the tree with an end in it": [tcp({ address: ADDRESS, connection: open({ state: "kept", peerIno: 1n }) })],
    "a TCP connection that has sent what there is not": [
      tcp({ address: ADDRESS, connection: open({ state: "kept", unsent: new Uint8Array(3), sent: 4 }) }),
    ],
    "a TCP connection that has sent an end, and is open": [tcp({ address: ADDRESS, connection: open({ state: "kept", endSent: true }) })],
    "a UDP socket of another family": [udp({ domain: 1 })],
    "a datagram of nobody": [udp({ datagrams: [{ data: new Uint8Array(), from: new Uint8Array(200) }] })],
    "a netlink socket of an unknown type": [netlink({ type: 1 })],
    "a netlink socket of an unknown protocol": [netlink({ protocol: 32 })],
    "a netlink socket with a port that is too long": [netlink({ port: 2 ** 32 })],
    "a netlink socket in a group that there cannot be": [netlink({ groups: [0] })],
    "a filter of half an instruction": [udp({ options: [{ level: 1, name: 26, value: new Uint8Array(12) }] })],
    "a datagram that is too long": [udp({ datagrams: [{ data: new Uint8Array(65508), from: ADDRESS }] })],
  };

  for (const [what, files] of Object.entries(bad)) {
    it(`refuses ${what}`, () => {
      expect(() => check(...files)).to.throw(ShapeError);
    });
  }
});

function tcp(more: Partial<TcpFile>): TcpFile {
  return { id: 0, flags: 2, kind: "tcp", ino: 1n, domain: 2, listening: false, backlog: 0, options: [], ...more };
}

function udp(more: Partial<UdpFile>): UdpFile {
  return { id: 0, flags: 2, kind: "udp", ino: 1n, domain: 2, shutdown: 0, datagrams: [], options: [], ...more };
}

function netlink(more: Partial<NetlinkFile>): NetlinkFile {
  return { id: 0, flags: 2, kind: "netlink", ino: 1n, type: 3, protocol: 0, port: 0, groups: [], options: [], ...more };
}

function open(more: Partial<TcpOpen> = {}): TcpOpen {
  return {
    state: "open",
    peer: ADDRESS,
    peerIno: 0n,
    shutdown: 0,
    ended: false,
    finished: false,
    received: new Uint8Array(),
    unsent: new Uint8Array(),
    receiveNext: 1,
    sendFirst: 1,
    mss: 1460,
    options: 7,
    sendScale: 7,
    receiveScale: 7,
    timestamp: 0,
    window: { sent: 1, largest: 1, received: 1, from: 1 },
    ...more,
  };
}
