/** The native addon: its interface, typed once, and its loader. The functions are described where they are written, in addon/src/. */

import { fileURLToPath } from "node:url";

import { CrctlError } from "./errors.js";
import type { Range, Termios } from "./image/schema.js";

/** In place of a result in a batch: minus the errno. */
export type Errno = number;

export interface StatRecord {
  /** st_mode */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  dev: bigint;
  ino: bigint;
  rdev: bigint;
  size: bigint;
  mtimeNs: bigint;
}

export interface SharedMapping {
  pid: number;
  /** device and inode number as in /proc/<pid>/maps */
  key: string;
  writable: boolean;
  /** its name is that of System V shared memory, whose inode numbers are ids and may be those of other memory */
  sysv: boolean;
}

/** A place for each descriptor of a task, in ascending order. */
export interface DescriptorTable {
  fds: Int32Array;
  /** what /proc/<pid>/fd/<fd> reads as */
  links: (string | Errno)[];
  /** text of /proc/<pid>/fdinfo/<fd> */
  infos: (string | Errno)[];
  /** ten of each: errno of stat(2) or 0, and the fields of StatRecord in their order */
  stats: BigUint64Array;
}

export interface SchedRecord {
  policy: number;
  priority: number;
  nice: number;
  flags: bigint;
  runtime: bigint;
  deadline: bigint;
  period: bigint;
  affinity: string;
  ioprio: number;
}

export interface UnixSocketRecord {
  ino: bigint;
  /** SOCK_* */
  type: number;
  /** TCP_* of the kernel: 1 connected, 7 not, 10 listening */
  state: number;
  /** sun_path; an abstract name begins with NUL */
  name?: Uint8Array;
  /** inode of the file, and its device as the kernel has it */
  fileIno?: bigint;
  fileDev?: bigint;
  /** 0: one that has no descriptor */
  peer?: bigint;
  /** listening: inodes of those who wait to be accepted */
  pending?: bigint[];
  unread: number;
  /** listening: the backlog */
  unsent: number;
  /** bit 0: it receives no more, bit 1: it sends no more */
  shutdown: number;
}

export interface PeekedMessage {
  data: Uint8Array;
  truncated: boolean;
  /** SCM_PIDFD came with it */
  pidfd: boolean;
  /** sun_path of the sender */
  from?: Uint8Array;
  /** struct sockaddr of the sender, of another family */
  address?: Uint8Array;
  credentials?: { pid: number; uid: number; gid: number };
  /** descriptors of ours */
  fds: number[];
}

/** semctl(2) */
export interface SemaphoresRecord {
  values: number[];
  /** who operated on each last; 0: nobody */
  pids: number[];
  /** somebody waits in semop(2) */
  sleepers: boolean;
}

/** msgctl(2), and what is in it */
export interface QueueRecord {
  /** msg_qbytes */
  maxBytes: bigint;
  /** processes; 0: none yet */
  lastSender: number;
  lastReceiver: number;
  messages: { type: bigint; data: Uint8Array }[];
}

/** What a POSIX message queue tells of itself. */
export interface MqueueState {
  maxMessages: bigint;
  messageSize: bigint;
  messages: number;
  /** in all of them; unknown, as the rest, if it is open for writing only */
  bytes?: bigint;
  /** SIGEV_*; 0 if nobody is */
  notify?: number;
  /** who is to be notified; 0: nobody that we can see */
  notifyPid?: number;
}

export interface FrozenTask {
  pid: number;
  ppid: number;
  zombie: boolean;
  /** stopped by a signal, not only by us */
  stopped: boolean;
  /** those that live, the one with the id of the process first */
  threads: number[];
}

export interface FrozenTree {
  /** CLOCK_MONOTONIC when the first task was stopped */
  sinceNs: bigint;
  /** parents before their children */
  tasks: FrozenTask[];
}

/** Of either side of a pseudo-terminal. */
export interface TerminalSide {
  /** N_* */
  discipline: number;
  exclusive: boolean;
  readable: boolean;
  /** packet mode: there is something to tell */
  status: boolean;
  hungUp: boolean;
}

/** What the master of a pseudo-terminal tells of both sides. */
export interface MasterState {
  termios: Termios;
  termiosLocked: boolean;
  /** struct winsize */
  window: { rows: number; columns: number; width: number; height: number };
  packet: boolean;
  locked: boolean;
  /** that it controls; 0: none */
  session: number;
  foreground: number;
}

/** What {@link Native.freezeTree} throws. */
export interface FreezeFailure extends Error {
  code: string;
  reason: "traced" | "permission" | "vanished" | "timeout" | "interrupted" | "proc";
  pid: number;
  tid: number;
}

export interface Native {
  // files.cc
  readTexts(paths: readonly string[]): (string | Errno)[];
  readLinks(paths: readonly string[]): (string | Errno)[];
  stats(paths: readonly string[], follow: boolean): (StatRecord | Errno)[];
  descriptors(pid: number): DescriptorTable;
  listNumbers(path: string): number[];
  holders(pids: readonly number[], prefixes: readonly string[]): { pid: number; link: string }[];
  deletedHolders(pids: readonly number[]): { pid: number; dev: bigint; ino: bigint }[];
  fileHolders(pids: readonly number[], dev: bigint): { pid: number; ino: bigint }[];
  sharedMemory(pids: readonly number[]): SharedMapping[];
  mappedIds(paths: readonly string[]): (string | Errno)[];
  lock(fd: number): boolean;
  memfdCreate(name: string, flags: number): number;
  fcntlNumber(fd: number, command: number, argument: number): number;
  fileOwner(fd: number): { pid: number; type: number; signal: number };

  // dump.cc
  countShared(dump: number, other: number): bigint;
  leaveOut(dump: number, other: number): bigint;

  // copy.cc
  reserve(fd: number, bytes: bigint): void;
  copyRange(from: number, to: number, offset: bigint, length: bigint): bigint;
  copySparse(from: number, to: number): { size: bigint; dataBytes: bigint };
  sync(fds: readonly number[]): void;

  // epoll.cc
  epollTarget(pid: number, target: { efd: number; tfd: number; nth: number }, pids: readonly number[], fds: readonly number[]): number;
  isReadable(fd: number): boolean;
  askTimer(fd: number): void;

  // sockets.cc
  unixSockets(): UnixSocketRecord[];
  socketOptions(fd: number, levels: readonly number[], names: readonly number[]): (Uint8Array | Errno)[];
  otherOptions(fd: number, names: Int32Array, usual: Uint8Array): (number | Uint8Array)[];
  socketName(fd: number): Uint8Array;
  /** from 1 */
  netlinkGroups(fd: number): number[];
  socketProtocols(paths: readonly string[]): (string | Errno)[];
  newSocket(domain: number, type: number, protocol: number): number;
  peekStream(fd: number, unread: number): PeekedMessage[];
  peekMessages(fd: number, size: number, unread: number): PeekedMessage[];
  pollState(fd: number): number;
  socketFile(fd: number): number;
  peerCredentials(fd: number): number[];
  socketFilter(fd: number): Uint8Array | Errno;
  peerName(fd: number): Uint8Array;
  peekBytes(fd: number, size: number): Uint8Array;
  closeQuietly(fds: readonly number[]): void;

  // sysv.cc
  copyTail(from: number, to: number, size: bigint): bigint;
  removeSysv(kind: string, id: number): boolean;
  semaphores(id: number, count: number): SemaphoresRecord | Errno;
  messageQueue(id: number): QueueRecord | Errno;

  // held.cc; `connections` are records of struct crctl_connection, `fd` an open /proc/net/crctl
  holdConnections(fd: number, connections: Uint8Array): number;
  letConnections(fd: number, connections: Uint8Array): void;
  leaveConnections(fd: number, pid: number): void;

  // huge.cc
  hugePages(dump: number, fd: number): { runs: Range[]; reserved: boolean };
  copyHuge(from: number, to: number, size: bigint, runs: readonly Range[]): void;

  // inotify.cc
  unreadBytes(fd: number): number;
  newWatch(path: string, mask: number): number;
  openByHandle(mount: string, type: number, handle: Uint8Array): number;

  // mqueue.cc
  mqueueOpen(name: string): number;
  mqueueState(fd: number): MqueueState;
  removeMqueue(name: string, ino: bigint): boolean;

  // pipe.cc
  peekPipe(fd: number): { capacity: number; unread: number; chunks: Uint8Array[] };
  otherEndClosed(fd: number): boolean;

  // process.cc
  scheduling(tids: readonly number[]): SchedRecord[];
  rlimits(pid: number): { soft: bigint; hard: bigint }[];
  kcmpFiles(pids: readonly number[], fds: readonly number[], buckets: readonly number[]): number[];
  kcmp(pid1: number, pid2: number, type: number, index1: number, index2: number): number;
  /** A descriptor of ours on the very description that the process of an open dump has as `fd`. */
  dumpedFile(dump: number, fd: number): number;
  pidfdOpen(pid: number, flags?: number): number;
  pidfdGetfd(pidfd: number, fd: number): number;
  sendSignal(pid: number, signal: number): void;
  clocks(): { realtime: bigint; monotonic: bigint; boottime: bigint };

  // probe.cc
  tryClone(pid: number): Errno;
  tryOption(fd: number, level: number, name: number, value: number): Errno;
  trySyscall(number: number): Errno;
  newEventfd(): number;
  pidfdTellsExit(): boolean;

  // ptrace.cc
  freezeTree(root: number, timeoutMs: number, watch?: (stopped: boolean) => void): FrozenTree;
  listTree(root: number): FrozenTask[];
  thaw(tids: readonly number[]): bigint;
  stopAndThaw(pids: readonly number[], tids: readonly number[], timeoutMs: number): bigint;
  killFrozen(pids: readonly number[], tids: readonly number[], timeoutMs: number): number[];
  seccompFilters(tid: number): { flags: number; insns: Uint8Array }[];

  // restore.cc
  xfeatures(): bigint;
  pidsInUse(pids: readonly number[]): number[];
  processGroup(): number;
  startExecutor(path: string, fds: readonly number[]): { pid: number; status: number };
  readStatus(fd: number, timeoutMs: number): string | undefined;
  waitChild(pid: number): number;
  passSignals(pid: number, sameGroup: boolean): void;

  // tty.cc
  terminalDevice(fd: number): number;
  terminalSide(fd: number): TerminalSide;
  masterState(fd: number): MasterState;

  // signals.cc
  watchSignals(): void;
  caughtSignal(): number;
}

/** Where the addon and the executor may lie, seen from the bundle (dist/bin), or from tsc's output (dist/tsc/src). */
const FOLDERS = ["../addon/", "../../addon/build/Release/", "../../../addon/build/Release/"];

/** The places to look for a file that the native build makes. CRCTL_NATIVE_DIR goes first. */
export function nativePaths(file: string): string[] {
  const paths = FOLDERS.map((folder) => fileURLToPath(new URL(folder + file, import.meta.url)));
  const override = process.env.CRCTL_NATIVE_DIR;
  return override === undefined || override === "" ? paths : [`${override}/${file}`, ...paths];
}

let loaded: Native | undefined;

export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  const failures: string[] = [];
  for (const path of nativePaths("crctl.node")) {
    const addon: { exports: unknown } = { exports: {} };
    try {
      process.dlopen(addon, path);
      return addon.exports as Native;
    } catch (error) {
      const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      failures.push(reason.includes(path) ? reason : `${path}: ${reason}`);
    }
  }
  throw new CrctlError("E_ADDON", `the native addon cannot be loaded; tried ${failures.join("; ")}`, {
    hint: "build it: npm run build:addon",
  });
}
