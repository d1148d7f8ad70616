/**
 * What the metadata files of an image directory hold. A directory is
 *
 *   inventory.msgpack   {@link Inventory}; written last, after everything else
 *                       is on disk: a directory without it is no image
 *   tasks.msgpack       {@link Task}[] in the order in which they are forked
 *   files.msgpack       {@link OpenFile}[], what descriptors lead to
 *   memory.msgpack      {@link MappedFile}[], what shared and file mappings lead to
 *   ipc.msgpack         {@link Ipc}, System V semaphores and message queues; absent
 *                       if there are none
 *   core-<pid>.elf      one for each live task: what /proc/<pid>/dump read as
 *                       (see kmod/crctl_image.h)
 *   data-<n>.img        contents of shared memory, memfds and deleted files; sparse
 *
 * msgpack maps with string keys (useRecords: false), 64-bit integers as bigint
 * where a field says bigint. Readers ignore keys that they do not know, except
 * in Inventory.requires. Paths are Buffers-safe strings (latin1 escapes are not
 * used: a path that is no UTF-8 is refused by name).
 */

import type { UnixFile, TcpFile, UdpFile, NetlinkFile } from "./schema-sockets.js";

export type * from "./schema-sockets.js";

export const IMAGE_VERSION = 1;

/** Ids of a process or thread, one per pid namespace: [0] in the namespace of the dumping crctl, the last the task's own. */
export type PidVector = number[];

/** A file by name and identity. dev is that of stat(2). */
export interface FileIdentity {
  path: string;
  /** mount id of /proc/self/mountinfo when dumped; informative */
  mountId?: number;
  dev: bigint;
  ino: bigint;
  /** st_mode, type bits included */
  mode: number;
  /** owner and group; given to a deleted file when it is made again */
  uid: number;
  gid: number;
  size: bigint;
  mtimeNs: bigint;
  /** true: no name leads to it any more; the contents are in `data` */
  deleted: boolean;
}

/** A file of the directory that holds contents; sparse where the original was. */
export interface DataRef {
  name: string;
  size: bigint;
  /** of a file of huge pages, whose contents are whole pages: its size may end within one */
  huge?: HugeContents;
}

export interface HugeContents {
  /** of a page: 2 MiB or 1 GiB */
  pageBytes: bigint;
  /** the pages that are there, ascending */
  runs: Range[];
  /** each page up to its size is there, or reserved */
  reserved: boolean;
}

/** Bytes of a file. */
export interface Range {
  start: bigint;
  end: bigint;
}

export interface Inventory {
  magic: "crctl";
  version: typeof IMAGE_VERSION;
  /** features a reader must know; an unknown one is refused by name */
  requires: string[];
  /** random, hex */
  id: string;
  crctlVersion: string;
  createdUnixNs: bigint;
  kernel: { release: string; version: string; machine: string };
  hostname: string;
  /** readings by the tree when it was frozen, ns */
  clocks: { realtime: bigint; monotonic: bigint; boottime: bigint };
  /** what its time namespace added to the machine's clocks, ns */
  timeOffsets: { monotonic: bigint; boottime: bigint };
  bootId: string;
  rootPid: number;
  /** what the root's session, group and terminal were to the caller */
  shellJob: boolean;
  /** the union of what the cores use (xstate_bv bits) */
  xfeatures: bigint;
  /** every other file; sha256 in hex of metadata files and, for cores, of the part before the pages */
  files: { name: string; size: bigint; sha256?: string; hashedBytes?: bigint }[];
  stats: { tasks: number; threads: number; bytes: bigint; frozenNs: bigint };
  /** last of all: hash, in hex, of all bytes of the file before this value */
  sha256: string;
}

/** The kernel's RLIMIT_* order. 2^64-1 is RLIM_INFINITY. */
export interface Rlimit {
  soft: bigint;
  hard: bigint;
}

export interface Sched {
  policy: number;
  /** static priority 1..99 of SCHED_FIFO and SCHED_RR */
  priority: number;
  nice: number;
  flags: bigint;
  /** SCHED_DEADLINE, ns */
  runtime: bigint;
  deadline: bigint;
  period: bigint;
  /** sched_setaffinity mask as hex, lowest CPU last, as in /proc/<pid>/status Cpus_allowed without commas */
  affinity: string;
  ioprio: number;
}

export interface Thread {
  pids: PidVector;
  comm: string;
  sched: Sched;
  /** others have outlived it: only of the first */
  exited?: boolean;
}

export interface Descriptor {
  fd: number;
  /** index into files.msgpack; equal ids share one open file description */
  file: number;
  cloexec: boolean;
}

/** What of a file is locked. */
export interface LockedRange {
  /** exclusive: F_WRLCK, LOCK_EX */
  write: boolean;
  start: bigint;
  /** 0: to the end of the file, wherever that is */
  length: bigint;
}

export interface ProcessLock extends LockedRange {
  /** a descriptor of the file */
  fd: number;
}

/** A lock that all who share a description share; of flock(2) and of leases the range is the whole file. */
export interface DescriptionLock extends LockedRange {
  type: "flock" | "ofd" | "lease";
}

export interface Task {
  pids: PidVector;
  /** in the namespace of the dumping crctl; of the root: its parent when dumped */
  ppid: number;
  pgid: number;
  sid: number;
  comm: string;
  state: "running" | "stopped" | "zombie";
  /** zombie: the wait(2) status */
  exitStatus?: number;
  /** zombie: exit signal to the parent, from /proc/<pid>/stat */
  exitSignal?: number;
  /** leader first, whether it has exited or not; empty for a zombie */
  threads: Thread[];
  /** absent for a zombie */
  core?: string;
  /** the task, before this one, in whose core the pages are that both have, copy-on-write: its pid */
  sharesWith?: number;
  cwd?: FileIdentity;
  root?: FileIdentity;
  umask?: number;
  rlimits?: Rlimit[];
  oomScoreAdj?: number;
  coredumpFilter?: number;
  autogroupNice?: number;
  /** path within the unified cgroup hierarchy */
  cgroup?: string;
  /** security label (attr/current); only the default is saved today */
  label?: string;
  /** inode numbers of /proc/<pid>/ns/*, to tell whether they were the caller's */
  namespaces?: Record<string, bigint>;
  uidMap?: string;
  gidMap?: string;
  descriptors: Descriptor[];
  /** its controlling terminal, if that is a {@link Pty} of the tree: Pty.index */
  terminal?: number;
  /** of fcntl(F_SETLK), which belong to a process; absent if none */
  locks?: ProcessLock[];
  /** seccomp filters per thread (index as in threads), oldest first, raw sock_filter arrays */
  seccomp?: { thread: number; mode: number; filters: { flags: number; insns: Uint8Array }[] }[];
}

export interface OpenFileBase {
  /** index in files.msgpack */
  id: number;
  /** f_flags as in fdinfo (octal there), without O_CLOEXEC */
  flags: number;
  /** F_GETOWN etc.; absent if none */
  owner?: { pid: number; type: number; signal: number };
  /** absent if none */
  locks?: DescriptionLock[];
}

export interface RegularFile extends OpenFileBase {
  kind: "regular";
  identity: FileIdentity;
  position: bigint;
  /** contents, of a deleted file */
  data?: DataRef;
  /** deleted files that several descriptions share: the same number is the same inode */
  ghost?: number;
}

export interface DirectoryFile extends OpenFileBase {
  kind: "directory";
  identity: FileIdentity;
  position: bigint;
}

/** O_PATH */
export interface PathFile extends OpenFileBase {
  kind: "path";
  identity: FileIdentity;
}

/** /dev/null, zero, full, random, urandom */
export interface DeviceFile extends OpenFileBase {
  kind: "device";
  identity: FileIdentity;
  major: number;
  minor: number;
}

/** One end of a pipe; ends of one pipe have the same `pipe`. */
export interface PipeFile extends OpenFileBase {
  kind: "pipe";
  pipe: Pipe;
}

export interface FifoFile extends OpenFileBase {
  kind: "fifo";
  identity: FileIdentity;
  pipe: Pipe;
}

/** Repeated in each end; equal ino means the same pipe. */
export interface Pipe {
  ino: bigint;
  capacity: number;
  /** unread bytes in order; packets keep their bounds (O_DIRECT) */
  chunks: { data: Uint8Array; packet: boolean }[];
}

export interface MemfdFile extends OpenFileBase {
  kind: "memfd";
  /** index into memory.msgpack: contents, name, seals */
  memory: number;
  position: bigint;
}

/** mq_open(3); equal ino means the same queue. */
export interface MqueueFile extends OpenFileBase {
  kind: "mqueue";
  ino: bigint;
  position: bigint;
  /** in the first of those that lead to it */
  queue?: PosixQueue;
}

/** mq_overview(7) */
export interface PosixQueue {
  /** without its slash */
  name: string;
  /** mq_unlink(3) */
  deleted: boolean;
  dev: bigint;
  /** permissions */
  mode: number;
  uid: number;
  gid: number;
  /** when a message came or went last */
  mtimeNs: bigint;
  maxMessages: bigint;
  messageSize: bigint;
  /** in the order in which they will be received */
  messages: { priority: number; data: Uint8Array }[];
  /** mq_notify(3); signal 0: none is sent */
  notify?: { pid: number; method: "signal" | "none"; signal: number; value: bigint };
}

/** eventfd(2) */
export interface EventFile extends OpenFileBase {
  kind: "eventfd";
  count: bigint;
  /** EFD_SEMAPHORE */
  semaphore: boolean;
}

/** timerfd_create(2) */
export interface TimerFile extends OpenFileBase {
  kind: "timerfd";
  /** CLOCK_* */
  clock: number;
  /** expirations that were not read */
  ticks: bigint;
  /** of timerfd_settime(2); TFD_TIMER_ABSTIME only on a wall clock */
  settimeFlags: number;
  /** until it expires, or, with TFD_TIMER_ABSTIME, when; 0: it is not armed */
  valueNs: bigint;
  intervalNs: bigint;
}

/** signalfd(2) */
export interface SignalFile extends OpenFileBase {
  kind: "signalfd";
  /** bit n: signal n + 1 */
  mask: bigint;
}

/** epoll_create(2) */
export interface EpollFile extends OpenFileBase {
  kind: "epoll";
  /** epoll_wait(2) would have found something */
  pending: boolean;
  targets: EpollTarget[];
}

export interface EpollTarget {
  /** the number that it had when it was added */
  fd: number;
  /** index into files.msgpack */
  file: number;
  /** struct epoll_event */
  events: number;
  data: bigint;
}

/** One side of a pseudo-terminal whose master is open in the tree. */
export interface PtyFile extends OpenFileBase {
  kind: "pty";
  side: "master" | "slave";
  /** what it was opened as: /dev/ptmx, /dev/pts/3, /dev/tty */
  path: string;
  pty: Pty;
}

/** Repeated in each description; an equal index means the same pair. */
export interface Pty {
  /** n of /dev/pts/n */
  index: number;
  /** of that file */
  uid: number;
  gid: number;
  mode: number;
  termios: Termios;
  window: { rows: number; columns: number; width: number; height: number };
  /** TIOCPKT */
  packet: boolean;
  /** TIOCSPTLCK: the slave cannot be opened */
  locked: boolean;
  /** TIOCEXCL */
  exclusive: { master: boolean; slave: boolean };
  /** the slave was open, and is not any more */
  hungUp: boolean;
  /** that it is the controlling terminal of, 0: none */
  session: number;
  /** process group, if there is a session; 0: none */
  foreground: number;
  /** typed at the master, processed by the line discipline, and not yet read */
  input: {
    data: Uint8Array;
    /** offsets of bytes that end a line; a byte 0 there is the mark of an end of file */
    ends: number[];
  };
  /** written, and not yet read at the master */
  output: Uint8Array;
  /** what is written now waits: by a stop character, or by tcflow(3) */
  stopped: "no" | "character" | "tcflow";
}

/** struct termios2 */
export interface Termios {
  iflag: number;
  oflag: number;
  cflag: number;
  lflag: number;
  line: number;
  /** c_cc */
  characters: Uint8Array;
  inputSpeed: number;
  outputSpeed: number;
}

/** pidfd_open(2) */
export interface PidFile extends OpenFileBase {
  kind: "pidfd";
  /** a task of the tree, in the namespace of the dumping crctl; 0: its process has ended and been waited for */
  pid: number;
}

/** A file of /proc/<pid>, proc(5) */
export interface ProcessFile extends OpenFileBase {
  kind: "process";
  /** a task of the tree, in the namespace of the dumping crctl */
  pid: number;
  /** below /proc/<pid>/ */
  name: string;
  position: bigint;
}

/** inotify_init(2) */
export interface InotifyFile extends OpenFileBase {
  kind: "inotify";
  /** ascending by number */
  watches: InotifyWatch[];
}

export interface InotifyWatch {
  /** watch descriptor */
  wd: number;
  /** IN_* */
  mask: number;
  identity: FileIdentity;
}

/** Something outside the tree that restore must be given: --inherit-fd, or the caller's own 0, 1, 2. */
export interface ExternalFile extends OpenFileBase {
  kind: "external";
  /** "tty:[4:1]", "pipe:[1234]", "socket:[99]": what --inherit-fd names */
  key: string;
  what: "tty" | "pipe" | "fifo" | "socket";
  path: string;
  /** the lowest standard descriptor (0, 1, 2) of the root task that led to it, if any: the caller's own is taken then */
  standard?: number;
}

export type OpenFile =
  | RegularFile
  | DirectoryFile
  | PathFile
  | DeviceFile
  | PipeFile
  | FifoFile
  | MemfdFile
  | MqueueFile
  | EventFile
  | TimerFile
  | SignalFile
  | EpollFile
  | UnixFile
  | TcpFile
  | UdpFile
  | NetlinkFile
  | PtyFile
  | PidFile
  | ProcessFile
  | InotifyFile
  | ExternalFile;

/** What all System V objects have. */
export interface SysvObject {
  id: number;
  /** that it was made with; 0: IPC_PRIVATE */
  key: number;
  /** permissions */
  mode: number;
  uid: number;
  gid: number;
  /** who made it */
  cuid: number;
  cgid: number;
}

/** System V shared memory, shmctl(2) */
export interface Segment extends SysvObject {
  /** bytes; its contents end with a page */
  size: bigint;
  /** marked for destruction (IPC_RMID): it goes with its last attachment, and its key leads to it no more */
  destroyed: boolean;
  /** SHM_LOCK */
  locked: boolean;
}

/** What a mapping of a file leads to; vma records of cores find it by (device, inode) as the kernel has them. */
export interface MappedFile {
  /** index in memory.msgpack */
  id: number;
  kind: "file" | "shmem" | "memfd" | "sysv" | "ghost";
  /** as in the vma records of the core: major << 32 | minor, and inode; of sysv: the id */
  kernelDev: bigint;
  kernelIno: bigint;
  identity: FileIdentity;
  /** memfd: name without "memfd:", seals */
  name?: string;
  seals?: number;
  /** shmem, memfd, ghost, sysv: contents */
  data?: DataRef;
  /** kind "ghost" also open as a descriptor: OpenFile.ghost */
  ghost?: number;
  /** sysv */
  segment?: Segment;
}

/** A set of System V semaphores, semctl(2) */
export interface SemaphoreSet extends SysvObject {
  /** of each */
  values: number[];
  /** the task of the tree that operated on each last; 0: somebody else, who has ended, or nobody */
  lastPids: number[];
  undo: Undo[];
}

/** What the end of a task adds to semaphores (SEM_UNDO); those to which it adds nothing are left out. */
export interface Undo {
  pid: number;
  adjustments: { semaphore: number; value: number }[];
}

/** msgctl(2) */
export interface MessageQueue extends SysvObject {
  /** msg_qbytes */
  maxBytes: bigint;
  /** tasks of the tree; 0: somebody else, who has ended, or nobody */
  lastSender: number;
  lastReceiver: number;
  /** in order */
  messages: { type: bigint; data: Uint8Array }[];
}

export interface Ipc {
  semaphores: SemaphoreSet[];
  queues: MessageQueue[];
}

/** How many threads of it there are: its first may have exited. */
export function livingThreads({ threads }: Pick<Task, "threads">): number {
  return threads.filter(({ exited }) => exited !== true).length;
}
