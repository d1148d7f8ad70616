/** The shape of the metadata files of an image, and of what they say of each other. schema.ts says what the fields mean. */

import * as check from "./check.js";
import { isImageFile } from "./names.js";
import { crossCheckHugePages } from "./validate-huge.js";
import { crossCheckMqueues } from "./validate-mqueues.js";
import { crossCheckSockets, type Demand } from "./validate-sockets.js";
import { crossCheckIpc, crossCheckSegments } from "./validate-sysv.js";
import { CHARACTERS, MASTER_LINKS } from "../kinds/termios.js";
import { isProcessFileName } from "../proc/files.js";
import {
  IMAGE_VERSION,
  type Inventory,
  type Ipc,
  type MappedFile,
  type OpenFile,
  type Pty,
  type Segment,
  type Task,
  type TcpConnection,
  type TcpOpen,
  type TcpOver,
} from "./schema.js";

const identity = check.map(
  {
    path: check.string,
    dev: check.bigint,
    ino: check.bigint,
    mode: check.natural,
    size: check.bigint,
    uid: check.natural,
    gid: check.natural,
    mtimeNs: check.bigint,
    deleted: check.boolean,
  },
  { mountId: check.natural },
);

/** What fits in a signed number, with room for sums: some 146 years. */
const nanoseconds: check.Check<bigint> = (value, path) => {
  const ns = check.bigint(value, path);
  if (BigInt.asIntN(63, ns) !== ns) throw new check.ShapeError(`${path} is too long a time`);
  return ns;
};

const fileName: check.Check<string> = (value, path) => {
  const name = check.string(value, path);
  if (!isImageFile(name)) throw new check.ShapeError(`${path} is no name of an image's file`);
  return name;
};

const huge = check.map({
  pageBytes: check.bigint,
  runs: check.array(check.map({ start: check.bigint, end: check.bigint })),
  reserved: check.boolean,
});

const data = check.map({ name: fileName, size: check.bigint }, { huge });

export const inventory: check.Check<Inventory> = check.map({
  magic: check.literal("crctl"),
  version: check.literal(IMAGE_VERSION),
  requires: check.array(check.string),
  id: check.string,
  crctlVersion: check.string,
  createdUnixNs: check.bigint,
  kernel: check.map({ release: check.string, version: check.string, machine: check.string }),
  hostname: check.string,
  clocks: check.map({ realtime: nanoseconds, monotonic: nanoseconds, boottime: nanoseconds }),
  timeOffsets: check.map({ monotonic: nanoseconds, boottime: nanoseconds }),
  bootId: check.string,
  rootPid: check.pid,
  shellJob: check.boolean,
  xfeatures: check.bigint,
  files: check.array(check.map({ name: fileName, size: check.bigint }, { sha256: check.string, hashedBytes: check.bigint })),
  stats: check.map({ tasks: check.natural, threads: check.natural, bytes: check.bigint, frozenNs: check.bigint }),
  sha256: check.string,
});

const pids: check.Check<number[]> = (value, path) => {
  const vector = check.array(check.pid)(value, path);
  if (vector.length === 0) throw new check.ShapeError(`${path} is empty`);
  return vector;
};

const sched = check.map({
  policy: check.natural,
  priority: check.natural,
  nice: check.int,
  flags: check.bigint,
  runtime: check.bigint,
  deadline: check.bigint,
  period: check.bigint,
  affinity: check.string,
  ioprio: check.natural,
});

const lockedRange = { write: check.boolean, start: check.bigint, length: check.bigint };

export const tasks: check.Check<Task[]> = check.array(
  check.map(
    {
      pids,
      ppid: check.pid,
      pgid: check.pid,
      sid: check.pid,
      comm: check.string,
      state: check.oneOf("running", "stopped", "zombie"),
      threads: check.array(check.map({ pids, comm: check.string, sched }, { exited: check.boolean })),
      descriptors: check.array(check.map({ fd: check.natural, file: check.natural, cloexec: check.boolean })),
    },
    {
      exitStatus: check.natural,
      exitSignal: check.int,
      core: fileName,
      sharesWith: check.pid,
      cwd: identity,
      root: identity,
      umask: check.natural,
      rlimits: check.array(check.map({ soft: check.bigint, hard: check.bigint })),
      oomScoreAdj: check.int,
      coredumpFilter: check.natural,
      autogroupNice: check.int,
      cgroup: check.string,
      label: check.string,
      namespaces: check.record(check.bigint),
      terminal: check.natural,
      uidMap: check.string,
      gidMap: check.string,
      locks: check.array(check.map({ fd: check.natural, ...lockedRange })),
      seccomp: check.array(
        check.map({
          thread: check.natural,
          mode: check.natural,
          filters: check.array(check.map({ flags: check.natural, insns: check.bytes })),
        }),
      ),
    },
  ),
);

const base = { id: check.natural, flags: check.natural };
/** what any of them may have */
const common = {
  owner: check.map({ pid: check.int, type: check.natural, signal: check.natural }),
  locks: check.array(check.map({ type: check.oneOf("flock", "ofd", "lease"), ...lockedRange })),
};

const pipe = check.map({
  ino: check.bigint,
  capacity: check.natural,
  chunks: check.array(check.map({ data: check.bytes, packet: check.boolean })),
});

const ids = { pid: check.natural, uid: check.natural, gid: check.natural };

const socketOptions = check.array(check.map({ level: check.natural, name: check.natural, value: check.bytes }));
const pty = check.map({
  index: check.natural,
  uid: check.natural,
  gid: check.natural,
  mode: check.natural,
  termios: check.map({
    iflag: check.natural,
    oflag: check.natural,
    cflag: check.natural,
    lflag: check.natural,
    line: check.natural,
    characters: check.bytes,
    inputSpeed: check.natural,
    outputSpeed: check.natural,
  }),
  window: check.map({ rows: check.natural, columns: check.natural, width: check.natural, height: check.natural }),
  packet: check.boolean,
  locked: check.boolean,
  exclusive: check.map({ master: check.boolean, slave: check.boolean }),
  hungUp: check.boolean,
  session: check.natural,
  foreground: check.natural,
  input: check.map({ data: check.bytes, ends: check.array(check.natural) }),
  output: check.bytes,
  stopped: check.oneOf("no", "character", "tcflow"),
});

const tcpOver: check.Check<TcpOver> = check.map({ state: check.oneOf("ended", "reset", "broken", "refused"), received: check.bytes });

const tcpOpen: check.Check<TcpOpen> = check.map(
  {
    state: check.oneOf("open", "waiting", "kept"),
    peer: check.bytes,
    peerIno: check.bigint,
    shutdown: check.natural,
    ended: check.boolean,
    finished: check.boolean,
    received: check.bytes,
    unsent: check.bytes,
    receiveNext: check.natural,
    sendFirst: check.natural,
    mss: check.natural,
    options: check.natural,
    sendScale: check.natural,
    receiveScale: check.natural,
    timestamp: check.natural,
    window: check.map({ sent: check.natural, largest: check.natural, received: check.natural, from: check.natural }),
  },
  { waitsFor: check.bigint, bufferLocks: check.natural, sent: check.natural, endSent: check.boolean },
);

const tcpConnection: check.Check<TcpConnection> = (value, path) => {
  const { state } = check.object(value, path);
  return state === "open" || state === "waiting" || state === "kept" ? tcpOpen(value, path) : tcpOver(value, path);
};

const OPEN_FILE = {
  regular: check.map(
    { ...base, kind: check.literal("regular"), identity, position: check.bigint },
    { ...common, data, ghost: check.natural },
  ),
  directory: check.map({ ...base, kind: check.literal("directory"), identity, position: check.bigint }, common),
  path: check.map({ ...base, kind: check.literal("path"), identity }, common),
  device: check.map({ ...base, kind: check.literal("device"), identity, major: check.natural, minor: check.natural }, common),
  pipe: check.map({ ...base, kind: check.literal("pipe"), pipe }, common),
  fifo: check.map({ ...base, kind: check.literal("fifo"), identity, pipe }, common),
  memfd: check.map({ ...base, kind: check.literal("memfd"), memory: check.natural, position: check.bigint }, common),
  mqueue: check.map(
    { ...base, kind: check.literal("mqueue"), ino: check.bigint, position: check.bigint },
    {
      ...common,
      queue: check.map(
        {
          name: check.string,
          deleted: check.boolean,
          dev: check.bigint,
          mode: check.natural,
          uid: check.natural,
          gid: check.natural,
          mtimeNs: check.bigint,
          maxMessages: check.bigint,
          messageSize: check.bigint,
          messages: check.array(check.map({ priority: check.natural, data: check.bytes })),
        },
        { notify: check.map({ pid: check.pid, method: check.oneOf("signal", "none"), signal: check.natural, value: check.bigint }) },
      ),
    },
  ),
  eventfd: check.map({ ...base, kind: check.literal("eventfd"), count: check.bigint, semaphore: check.boolean }, common),
  timerfd: check.map(
    {
      ...base,
      kind: check.literal("timerfd"),
      clock: check.natural,
      ticks: check.bigint,
      settimeFlags: check.natural,
      valueNs: check.bigint,
      intervalNs: check.bigint,
    },
    common,
  ),
  signalfd: check.map({ ...base, kind: check.literal("signalfd"), mask: check.bigint }, common),
  epoll: check.map(
    {
      ...base,
      kind: check.literal("epoll"),
      pending: check.boolean,
      targets: check.array(check.map({ fd: check.natural, file: check.natural, events: check.natural, data: check.bigint })),
    },
    common,
  ),
  pidfd: check.map({ ...base, kind: check.literal("pidfd"), pid: check.natural }, common),
  process: check.map({ ...base, kind: check.literal("process"), pid: check.natural, name: check.string, position: check.bigint }, common),
  inotify: check.map(
    {
      ...base,
      kind: check.literal("inotify"),
      watches: check.array(check.map({ wd: check.natural, mask: check.natural, identity })),
    },
    common,
  ),
  unix: check.map(
    {
      ...base,
      kind: check.literal("unix"),
      ino: check.bigint,
      type: check.natural,
      state: check.oneOf("open", "connected", "listening"),
      backlog: check.natural,
      peer: check.bigint,
      shutdown: check.natural,
      messages: check.array(
        check.map({ data: check.bytes, files: check.array(check.natural) }, { from: check.bytes, credentials: check.map(ids) }),
      ),
      options: socketOptions,
    },
    {
      ...common,
      name: check.bytes,
      directory: check.string,
      file: identity,
      waitsFor: check.bigint,
      turn: check.natural,
      moved: check.yes,
      reset: check.yes,
      peerCredentials: check.map({ ...ids, groups: check.array(check.natural) }),
    },
  ),
  tcp: check.map(
    {
      ...base,
      kind: check.literal("tcp"),
      ino: check.bigint,
      domain: check.natural,
      listening: check.boolean,
      backlog: check.natural,
      options: socketOptions,
    },
    { ...common, address: check.bytes, connection: tcpConnection },
  ),
  udp: check.map(
    {
      ...base,
      kind: check.literal("udp"),
      ino: check.bigint,
      domain: check.natural,
      shutdown: check.natural,
      datagrams: check.array(check.map({ data: check.bytes, from: check.bytes })),
      options: socketOptions,
    },
    { ...common, address: check.bytes, peer: check.bytes },
  ),
  netlink: check.map(
    {
      ...base,
      kind: check.literal("netlink"),
      ino: check.bigint,
      type: check.natural,
      protocol: check.natural,
      port: check.natural,
      groups: check.array(check.natural),
      options: socketOptions,
    },
    { ...common, peer: check.map({ port: check.natural, groups: check.natural }) },
  ),
  pty: check.map({ ...base, kind: check.literal("pty"), side: check.oneOf("master", "slave"), path: check.string, pty }, common),
  external: check.map(
    {
      ...base,
      kind: check.literal("external"),
      key: check.string,
      what: check.oneOf("tty", "pipe", "fifo", "socket"),
      path: check.string,
    },
    { ...common, standard: check.natural },
  ),
} satisfies { [K in OpenFile["kind"]]: check.Check<Extract<OpenFile, { kind: K }>> };

const kinds = Object.keys(OPEN_FILE) as OpenFile["kind"][];

export const openFiles: check.Check<OpenFile[]> = check.array((value, path): OpenFile => {
  const kind = check.oneOf(...kinds)(check.object(value, path).kind, `${path}.kind`);
  return OPEN_FILE[kind](value, path);
});

const sysvObject = {
  id: check.natural,
  key: check.int,
  mode: check.natural,
  uid: check.natural,
  gid: check.natural,
  cuid: check.natural,
  cgid: check.natural,
};

const segment: check.Check<Segment> = check.map({ ...sysvObject, size: check.bigint, destroyed: check.boolean, locked: check.boolean });

export const ipc: check.Check<Ipc> = check.map({
  semaphores: check.array(
    check.map({
      ...sysvObject,
      values: check.array(check.natural),
      lastPids: check.array(check.pid),
      undo: check.array(check.map({ pid: check.pid, adjustments: check.array(check.map({ semaphore: check.natural, value: check.int })) })),
    }),
  ),
  queues: check.array(
    check.map({
      ...sysvObject,
      maxBytes: check.bigint,
      lastSender: check.pid,
      lastReceiver: check.pid,
      messages: check.array(check.map({ type: check.bigint, data: check.bytes })),
    }),
  ),
});

export const mappedFiles: check.Check<MappedFile[]> = check.array(
  check.map(
    {
      id: check.natural,
      kind: check.oneOf("file", "shmem", "memfd", "sysv", "ghost"),
      kernelDev: check.bigint,
      kernelIno: check.bigint,
      identity,
    },
    { name: check.string, seals: check.natural, data, ghost: check.natural, segment },
  ),
);

const U32_MAX = 0xffffffff;
const U64_MAX = (1n << 64n) - 1n;
const I64_MAX = (1n << 63n) - 1n;
/** one of those with the highest numbers is needed for a moment: see plan.h */
const MAX_DESCRIPTOR = 0x7fffffff - 3;
/** minor numbers of terminals */
const MAX_TERMINALS = 1 << 20;

/** F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP */
const MAX_OWNER_TYPE = 2;
const MAX_SIGNAL = 64;

function isOwner({ pid, type, signal }: NonNullable<OpenFile["owner"]>): boolean {
  return Math.abs(pid) <= U32_MAX >>> 1 && type <= MAX_OWNER_TYPE && signal <= MAX_SIGNAL;
}

function isRange(start: bigint, length: bigint): boolean {
  return start >= 0n && length >= 0n && start + length <= I64_MAX;
}

/** Of descriptors that tell of events, what there cannot be. */
function crossCheckEvents(file: OpenFile, fileCount: number, demand: Demand): void {
  const within = (value: bigint, highest: bigint): boolean => value >= 0n && value <= highest;
  const check: Demand = (condition, what) => demand(condition, `open file ${file.id} ${what}`);
  switch (file.kind) {
    case "epoll":
      for (const { fd, file: target, events, data } of file.targets) {
        check(target < fileCount && target !== file.id && fd <= MAX_DESCRIPTOR, "watches nothing");
        check(events <= U32_MAX && within(data, U64_MAX), "waits for something impossible");
      }
      break;
    case "eventfd":
      check(within(file.count, U64_MAX - 1n), "has counted too far");
      break;
    case "timerfd":
      check(
        [file.ticks, file.valueNs, file.intervalNs].every((value) => within(value, U64_MAX)),
        "has an impossible time",
      );
      check(file.clock <= U32_MAX >>> 1 && file.settimeFlags <= U32_MAX, "has an impossible clock");
      break;
    case "signalfd":
      check(within(file.mask, U64_MAX), "has an impossible signal mask");
      break;
    case "inotify":
      file.watches.forEach(({ wd, mask }, i) => {
        check(wd > (file.watches[i - 1]?.wd ?? 0) && wd <= U32_MAX >>> 1 && mask <= U32_MAX, "has an impossible watch");
      });
      break;
  }
}

/** By number. Each has one master, and a session that it controls has its leader. */
function crossCheckTerminals({ files, tasks }: { files: OpenFile[]; tasks: Task[] }, demand: Demand): ReadonlyMap<number, Pty> {
  const ptys = new Map<number, Pty>();
  for (const file of files) {
    if (file.kind !== "pty" || file.side !== "master") continue;
    const { index, termios, session, window, input, uid, gid } = file.pty;
    demand(index < MAX_TERMINALS && MASTER_LINKS.includes(file.path), `open file ${file.id} is no terminal's master`);
    demand(uid <= U32_MAX && gid <= U32_MAX, `terminal ${index} has an impossible owner`);
    demand(
      Object.values(window).every((size) => size <= 0xffff),
      `terminal ${index} has an impossible size`,
    );
    demand(
      input.ends.every((end, i) => end < input.data.length && end > (input.ends[i - 1] ?? -1)),
      `terminal ${index} has lines that end elsewhere`,
    );
    demand(!ptys.has(index), `terminal ${index} has two masters`);
    demand(termios.characters.length === CHARACTERS, `terminal ${index} has another number of control characters`);
    const leads = ({ pids: [pid], state, terminal }: Task): boolean => pid === session && state !== "zombie" && terminal === index;
    demand(session === 0 || tasks.some(leads), `terminal ${index} controls session ${session}, which has no leader`);
    ptys.set(index, file.pty);
  }
  for (const file of files) if (file.kind === "pty") demand(ptys.has(file.pty.index), `terminal ${file.pty.index} has no master`);
  return ptys;
}

/** What the files say of each other. Throws a ShapeError. */
export function crossCheck(image: { inventory: Inventory; tasks: Task[]; files: OpenFile[]; memory: MappedFile[]; ipc: Ipc }): void {
  const listed = new Map(image.inventory.files.map((file) => [file.name, file.size]));
  const demand: Demand = (condition, what) => {
    if (!condition) throw new check.ShapeError(what);
  };
  image.files.forEach((file, i) => {
    demand(file.id === i, `open file ${i} has the id ${file.id}`);
    if (file.kind === "memfd") demand(image.memory[file.memory]?.kind === "memfd", `open file ${i} names no memfd`);
    crossCheckEvents(file, image.files.length, demand);
    if (file.owner !== undefined) demand(isOwner(file.owner), `open file ${i} has an impossible owner`);
    for (const { start, length } of file.locks ?? []) demand(isRange(start, length), `open file ${i} has an impossible lock`);
    if (file.kind === "regular" && file.data !== undefined) demand(listed.has(file.data.name), `${file.data.name} is not listed`);
  });
  crossCheckSockets(image.files, demand);
  crossCheckMqueues(image.files, image.tasks, demand);
  const terminals = crossCheckTerminals(image, demand);
  image.memory.forEach((file, i) => {
    demand(file.id === i, `mapped file ${i} has the id ${file.id}`);
    if (file.data !== undefined) demand(listed.has(file.data.name), `${file.data.name} is not listed`);
    if (file.kind !== "file") demand(file.data !== undefined, `mapped file ${i} has no contents`);
  });
  crossCheckHugePages(image.memory, image.files, demand);
  crossCheckSegments(image.memory, demand);
  crossCheckIpc(image.ipc, image.tasks, demand);
  const seen = new Set<number>();
  const live = new Set<number>();
  image.tasks.forEach((task, i) => {
    const pid = task.pids[0] ?? 0;
    demand(pid > 0, `task ${i} has no id`);
    demand(!seen.has(pid), `task ${pid} is there twice`);
    demand(i === 0 ? pid === image.inventory.rootPid : seen.has(task.ppid), `task ${pid} comes before its parent`);
    seen.add(pid);
    if (task.state === "zombie") {
      demand(task.exitStatus !== undefined, `zombie ${pid} has no exit status`);
      return;
    }
    demand(task.core !== undefined && listed.has(task.core), `task ${pid} has no core file`);
    demand(task.sharesWith === undefined || live.has(task.sharesWith), `task ${pid} shares memory with none that is before it`);
    live.add(pid);
    if (task.terminal !== undefined) {
      demand(terminals.has(task.terminal), `the terminal of task ${pid} is not there`);
      demand(terminals.get(task.terminal)?.session === task.sid, `task ${pid} has the terminal of another session`);
    }
    demand(task.threads[0]?.pids[0] === pid, `task ${pid} does not start with its leader`);
    demand(
      task.threads.every(({ exited }, i) => exited !== true || (i === 0 && task.threads.length > 1)),
      `task ${pid} has threads that have exited`,
    );
    const fds = new Set<number>();
    for (const { fd, file } of task.descriptors) {
      demand(!fds.has(fd), `descriptor ${fd} of task ${pid} is there twice`);
      demand(file < image.files.length, `descriptor ${fd} of task ${pid} leads nowhere`);
      fds.add(fd);
    }
    for (const { fd, start, length } of task.locks ?? []) {
      demand(fds.has(fd), `task ${pid} has a lock on descriptor ${fd}, which is not there`);
      demand(isRange(start, length), `task ${pid} has an impossible lock on descriptor ${fd}`);
    }
  });
  for (const file of image.files) {
    if (file.kind === "pidfd") demand(file.pid === 0 || seen.has(file.pid), `open file ${file.id} is about no task`);
    if (file.kind === "process") {
      demand(seen.has(file.pid), `open file ${file.id} is about no task`);
      demand(isProcessFileName(file.name), `open file ${file.id} is no file of a process that is saved`);
    }
  }
  demand(image.tasks.length > 0, "it holds no task");
}
