/** An image in words: the tree, and what its descriptors and mappings lead to. */

import { printable } from "../errors.js";
import type { CoreHead } from "../image/elfcore.js";
import { FILE_FLAG, VMA_KIND } from "../image/layout.js";
import type { Image } from "../image/read.js";
import {
  livingThreads,
  type Ipc,
  type LockedRange,
  type MappedFile,
  type OpenFile,
  type PosixQueue,
  type Task,
  type TcpFile,
} from "../image/schema.js";
import { kernelDevice } from "../kinds/memory.js";
import { sysvText } from "../kinds/sysv/objects.js";
import { mappedKey } from "../kinds/sysv/segments.js";
import { formatBytes, formatNs, plural } from "../ui/format.js";
import type { Paint } from "../ui/output.js";

interface Options {
  paint: Paint;
  verbose: boolean;
}

type Cores = ReadonlyMap<string, CoreHead>;

export function describeImage(image: Image, cores: Cores, options: Options): string[] {
  const { inventory } = image;
  const date = new Date(Number(inventory.createdUnixNs / 1_000_000n));
  // a number that is no date that JavaScript knows
  const created = Number.isNaN(date.getTime()) ? "at an unknown time" : date.toISOString();
  const { tasks, threads, bytes, frozenNs } = inventory.stats;
  return [
    `${options.paint("bold", `image ${inventory.id}`)}, made ${created} on ${printable(inventory.hostname)}, ${printable(inventory.kernel.release)}`,
    `${plural(tasks, "task")}, ${plural(threads, "thread")}, ${formatBytes(bytes)}; frozen for ${formatNs(frozenNs)}${inventory.shellJob ? "; a shell job" : ""}`,
    "",
    ...tree(image, cores, options),
    ...ipcText(image.ipc),
  ];
}

/** What belongs to the tree, and to no task of it. */
function ipcText({ semaphores, queues }: Ipc): string[] {
  return [
    ...semaphores.map((set) => {
      const undone = set.undo.length === 0 ? "" : `, undone at the end of ${set.undo.map(({ pid }) => pid).join(", ")}`;
      return `System V semaphores ${sysvText(set)}, ${plural(set.values.length, "semaphore")}${undone}`;
    }),
    ...queues.map((queue) => {
      const bytes = queue.messages.reduce((sum, { data }) => sum + data.length, 0);
      return `System V message queue ${sysvText(queue)}, ${plural(queue.messages.length, "message")}, ${formatBytes(bytes)}`;
    }),
  ];
}

function tree(image: Image, cores: Cores, options: Options): string[] {
  const lines: string[] = [];
  const visit = (task: Task, prefix: string, branch: string, below: string): void => {
    const pid = task.pids[0] ?? 0;
    lines.push(`${prefix}${branch}${headline(task, cores, options)}`);
    const children = image.tasks.filter((other) => other !== image.tasks[0] && other.ppid === pid);
    const inner = prefix + below;
    for (const line of objects(task, image, cores, options))
      lines.push(`${inner}${children.length > 0 ? "│ " : "  "}${options.paint("dim", line)}`);
    children.forEach((child, i) => {
      const last = i === children.length - 1;
      visit(child, inner, last ? "└─" : "├─", last ? "  " : "│ ");
    });
  };
  const [root] = image.tasks;
  if (root !== undefined) visit(root, "", "", "");
  return lines;
}

function headline(task: Task, cores: Cores, options: Options): string {
  const pid = task.pids[0] ?? 0;
  const name = `${options.paint("cyan", String(pid))} ${options.paint("bold", printable(task.comm))}`;
  if (task.state === "zombie") return `${name} zombie, ${exitText(task.exitStatus ?? 0)}`;
  const head = task.core === undefined ? undefined : cores.get(task.core);
  const parts = [
    task.state === "stopped" ? "stopped" : undefined,
    task.sid === pid ? "session leader" : task.pgid === pid ? "group leader" : undefined,
    task.threads.length > 1
      ? `${plural(livingThreads(task), "thread")}${task.threads[0]?.exited === true ? ", the first has exited" : ""}`
      : undefined,
    head === undefined ? undefined : `${formatBytes(head.pageBytes)} of private memory`,
    task.sharesWith === undefined ? undefined : `${formatBytes(head?.sharedBytes() ?? 0n)} shared with ${task.sharesWith} copy-on-write`,
  ].filter((part) => part !== undefined);
  return `${name}${parts.length > 0 ? ` ${parts.join(", ")}` : ""}`;
}

function exitText(status: number): string {
  const signal = status & 0x7f;
  return signal === 0 ? `exit status ${(status >> 8) & 0xff}` : `killed by signal ${signal}`;
}

function objects(task: Task, image: Image, cores: Cores, { verbose }: Options): string[] {
  const lines: string[] = [];
  if (task.cwd !== undefined && verbose) lines.push(`cwd ${printable(task.cwd.path)}`);
  for (const { fd, file, cloexec } of task.descriptors) {
    const open = image.files[file];
    if (open !== undefined) lines.push(`fd ${fd} ${describeFile(open)}${locked(open)}${cloexec && verbose ? ", close-on-exec" : ""}`);
  }
  for (const { fd, ...range } of task.locks ?? []) lines.push(`fd ${fd} locked by the process: ${lockedRange(range)}`);
  const head = task.core === undefined ? undefined : cores.get(task.core);
  for (const mapped of head === undefined ? [] : sharedOf(head, image)) {
    lines.push(`shared ${describeShared(mapped)}, ${formatBytes(mapped.identity.size)}`);
  }
  return lines;
}

function describeShared({ kind, name, identity, segment }: MappedFile): string {
  if (segment === undefined) return `${kind} ${printable(name ?? identity.path)}`;
  const marks = [segment.destroyed ? ", marked for destruction" : "", segment.locked ? ", locked" : ""].join("");
  return `System V segment ${sysvText(segment)}${marks}`;
}

function locked({ locks }: OpenFile): string {
  return (locks ?? []).map(({ type, ...range }) => `, ${type === "lease" ? "lease" : "lock"}: ${lockedRange(range)}`).join("");
}

function lockedRange({ write, start, length }: LockedRange): string {
  const end = length === 0n ? "the end" : String(start + length - 1n);
  return `${start === 0n && length === 0n ? "" : `${start} to ${end} `}for ${write ? "writing" : "reading"}`;
}

/** What a task shares with others by its mappings. */
function sharedOf(head: CoreHead, image: Image): MappedFile[] {
  const found = new Set<MappedFile>();
  for (const vma of head.vmas()) {
    if (vma.kind !== VMA_KIND.FILE_SHARED) continue;
    const key = mappedKey(kernelDevice(vma.dev_major, vma.dev_minor), vma.ino, (vma.file_flags & FILE_FLAG.SYSV) !== 0);
    const file = image.memory.find(({ kind, kernelDev, kernelIno }) => mappedKey(kernelDev, kernelIno, kind === "sysv") === key);
    if (file !== undefined) found.add(file);
  }
  return [...found];
}

function connectionText({ connection }: TcpFile): string {
  if (connection === undefined) return "";
  const unread = connection.received.length === 0 ? "" : `, ${formatBytes(connection.received.length)} unread`;
  switch (connection.state) {
    case "ended":
      return `, a connection that is over${unread}`;
    case "reset":
    case "broken":
      return `, a connection that was reset${unread}`;
    case "refused":
      return ", a connection that was refused";
    case "waiting":
      return `, waits to be accepted by port ${portOf(connection.peer)}`;
    case "open":
    case "kept": {
      const where = connection.state === "kept" ? ` of ${hostText(connection.peer)}, out of the tree` : "";
      const unsent = connection.unsent.length === 0 ? "" : `, ${formatBytes(connection.unsent.length)} on their way`;
      return `, connected to port ${portOf(connection.peer)}${where}${connection.ended ? ", which sends no more" : ""}${unread}${unsent}`;
    }
  }
}

/** Of a struct sockaddr_in or sockaddr_in6. */
function hostText(address: Uint8Array): string {
  const bytes = Buffer.from(address);
  if (bytes.length < 28) return [...bytes.subarray(4, 8)].join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function portOf(address: Uint8Array): number {
  return Buffer.from(address).readUInt16BE(2);
}

function describeQueue({ name, deleted, messages, notify }: PosixQueue): string {
  const held = messages.length === 0 ? "" : `, ${plural(messages.length, "message")}`;
  return `message queue ${printable(`/${name}`)}${deleted ? ", deleted" : ""}${held}${notify === undefined ? "" : `, notifies ${notify.pid}`}`;
}

function describeFile(file: OpenFile): string {
  switch (file.kind) {
    case "regular":
      return `${printable(file.identity.path)} at ${file.position}${file.identity.deleted ? ", deleted" : ""}${file.data === undefined ? "" : `, contents in ${file.data.name}`}`;
    case "directory":
      return `directory ${printable(file.identity.path)}`;
    case "path":
      return `path ${printable(file.identity.path)}`;
    case "device":
      return printable(file.identity.path);
    case "pipe":
    case "fifo": {
      const unread = file.pipe.chunks.reduce((sum, chunk) => sum + chunk.data.length, 0);
      const name = file.kind === "pipe" ? `pipe:[${file.pipe.ino}]` : `fifo ${printable(file.identity.path)}`;
      const end = ["read end", "write end", "both ends"][file.flags & 3] ?? "end";
      return `${name}, ${end}${unread > 0 ? `, ${formatBytes(unread)} unread` : ""}`;
    }
    case "memfd":
      return `memfd ${file.memory}`;
    case "mqueue":
      return file.queue === undefined ? `message queue, inode ${file.ino}` : describeQueue(file.queue);
    case "eventfd":
      return `eventfd, ${file.count}${file.semaphore ? ", a semaphore" : ""}`;
    case "timerfd":
      return `timerfd${file.valueNs === 0n ? "" : ", armed"}`;
    case "signalfd":
      return "signalfd";
    case "epoll":
      return `epoll, ${plural(file.targets.length, "target")}`;
    case "unix": {
      const unread = file.messages.reduce((sum, { data }) => sum + data.length, 0);
      const name = file.name === undefined ? "" : ` ${printable(Buffer.from(file.name).toString().replace(/^\0/, "@"))}`;
      return `unix socket${name}, ${file.state}${unread > 0 ? `, ${formatBytes(unread)} unread` : ""}`;
    }
    case "tcp": {
      const port = file.address === undefined ? "" : `, port ${portOf(file.address)}`;
      return `TCP socket${file.listening ? ", listening" : ""}${port}${connectionText(file)}`;
    }
    case "udp": {
      const unread = file.datagrams.length === 0 ? "" : `, ${plural(file.datagrams.length, "unread datagram")}`;
      const peer = file.peer === undefined ? "" : `, connected to port ${portOf(file.peer)}`;
      return `UDP socket${file.address === undefined ? "" : `, port ${portOf(file.address)}`}${peer}${unread}`;
    }
    case "netlink": {
      const groups = file.groups.length === 0 ? "" : `, in ${plural(file.groups.length, "group")}`;
      return `netlink socket, protocol ${file.protocol}${file.port === 0 ? "" : `, port ${file.port}`}${groups}`;
    }
    case "pty":
      return `pseudo-terminal ${file.pty.index}, ${file.side}`;
    case "process":
      return `/proc/${file.pid}/${file.name}`;
    case "pidfd":
      return `pidfd of ${file.pid === 0 ? "a process that has ended" : `process ${file.pid}`}`;
    case "inotify":
      return `inotify, ${plural(file.watches.length, "watch", "watches")}`;
    case "external":
      return `outside: ${printable(file.key)} ${printable(file.path)}`;
  }
}
