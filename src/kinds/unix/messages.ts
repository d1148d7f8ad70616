/** What is unread in a socket of AF_UNIX, looked at without taking it. */

import { closeSync } from "node:fs";

import type { UnixMessage } from "../../image/schema.js";
import { native, type PeekedMessage, type UnixSocketRecord } from "../../native.js";
import { withDuplicate } from "../duplicates.js";
import { descriptorOf, type DumpContext, type Found } from "../types.js";

const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
export const LISTENING = 10;
/** what the default of net.core.wmem_max lets through, several times */
const LONGEST = 1 << 20;

const POLLIN = 1;
const POLLPRI = 2;
export const POLLERR = 8;
/** UnixSocketRecord.shutdown */
const RECEIVES_NO_MORE = 1;
/** of a sender that is not known: /proc/sys/kernel/overflowuid */
const NOBODY = 65534;

export function isConnection({ type }: UnixSocketRecord): boolean {
  return type === SOCK_STREAM || type === SOCK_SEQPACKET;
}

/** Undefined: it cannot be saved, and that has been told. */
export function readMessages(socket: UnixSocketRecord, found: Found, context: DumpContext): UnixMessage[] | undefined {
  if (socket.state === LISTENING) return [];
  const peeked = withDuplicate(found, (fd) => peek(fd, socket));
  const why = typeof peeked === "string" ? peeked : reasonOf(peeked, context);
  if (typeof peeked !== "string" && why === undefined) {
    return peeked.map(({ data, from, credentials, fds }) => ({
      data,
      ...(from === undefined ? {} : { from }),
      ...(credentials === undefined ? {} : { credentials }),
      files: fds.map((passed) => context.passed(passed)),
    }));
  }
  if (typeof peeked !== "string") for (const { fds } of peeked) for (const passed of fds) closeSync(passed);
  context.refuse({ ...descriptorOf(found), object: "socket", why: why ?? "", hint: "let the program read what is there, and try again" });
  return undefined;
}

/** Or why not. */
function peek(fd: number, socket: UnixSocketRecord): PeekedMessage[] | string {
  const state = native().pollState(fd);
  if ((state & POLLPRI) !== 0) return "out-of-band data are unread in it";
  if (socket.type === SOCK_STREAM) return socket.unread === 0 ? [] : native().peekStream(fd, socket.unread);
  // whoever asks for a message takes the error
  if ((state & POLLERR) !== 0) {
    return socket.unread > 0 || !isConnection(socket) ? "an error that the program has not been told of stands before what is unread" : [];
  }
  if ((state & POLLIN) === 0) return [];
  const first = isConnection(socket) ? undefined : native().unreadBytes(fd);
  // of datagrams only the length of the first is told
  const messages = native().peekMessages(fd, Math.max(socket.unread, LONGEST), endOf(socket));
  // one without bytes that has been looked at once is not shown again
  const ends = (socket.shutdown & RECEIVES_NO_MORE) !== 0;
  const hidden = !ends && (messages.length === 0 || (first === 0 && messages[0]?.data.length !== 0));
  return hidden ? "a message without bytes in it is unread, and has been looked at before" : messages;
}

/** How many bytes come before an end; -1: there is none. */
function endOf({ type, shutdown, unread }: UnixSocketRecord): number {
  return type === SOCK_SEQPACKET && (shutdown & RECEIVES_NO_MORE) !== 0 ? unread : -1;
}

function reasonOf(peeked: readonly PeekedMessage[], context: DumpContext): string | undefined {
  for (const { truncated, pidfd, credentials } of peeked) {
    if (truncated) return "an unread message is too long";
    if (pidfd) return "an unread message tells of its sender by a pidfd";
    if (credentials === undefined) continue;
    const { pid, uid, gid } = credentials;
    if (pid !== 0 && !context.inTree(pid)) return `an unread message is from process ${pid}, which is not in the tree`;
    if (pid === 0 && (uid !== NOBODY || gid !== NOBODY)) return "an unread message is from a process of another pid namespace";
  }
  return undefined;
}
