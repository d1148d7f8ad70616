/**
 * The restore plan as bytes: addon/executor/plan.h in TypeScript, where the format is described. A unit test compiles
 * that header and compares every constant, offset and size.
 */

import { OPERATION, type Fault } from "../fault.js";
import { Struct } from "../image/struct.js";

export const PLAN_MAGIC = 0x4e414c504c544352n;
export const PLAN_VERSION = 1;

/** Numbers behind the slots that the executor uses itself, and those it wants free below them (PLAN_OWN_SLOTS, PLAN_LOW_FREE). */
export const OWN_SLOTS = 5;
export const LOW_FREE = 16;

/** Descriptors that the executor is started with (enum plan_fd). */
export const PLAN_FD = { PLAN: 3, STATUS: 4, IMAGE: 5, INHERIT: 6 } as const;

/** enum plan_stage */
export const STAGE = { FORK: 0, GROUP: 1, MOVE: 2, FINAL: 3 } as const;
export const STAGES = 4;

/** Where a failure happened, beyond STAGE. */
export const FAILURE_STAGE = { PLAN: 16, CREATE: 17, LOAD: 18, FINISH: 19 } as const;

/** enum plan_flag */
export const PLAN_FLAG = { DETACH: 1, PROGRESS: 2, NEW_PIDS: 4 } as const;

/** enum plan_proc_kind */
export const PROC_KIND = { LIVE: 1, ZOMBIE: 2, HELPER: 3 } as const;

export const NO_PROC = 0xffffffff;

/** enum plan_op_type */
export const OP = {
  OPEN: 1,
  REOPEN: 2,
  SEEK: 3,
  SETFL: 4,
  CLOSE: 5,
  TAKE: 6,
  PIPE: 7,
  FIFO_EMPTY: 8,
  PIPE_SIZE: 9,
  WRITE: 10,
  GHOST: 11,
  MEMFD: 12,
  SHMEM: 13,
  FILL: 14,
  TIMES: 15,
  SEAL: 16,
  OWNER: 17,
  CHOWN: 18,
  EVENTFD: 19,
  SIGNALFD: 20,
  TIMERFD: 21,
  TIMERFD_SET: 22,
  TIMERFD_TICKS: 23,
  EPOLL: 24,
  EPOLL_ADD: 25,
  EPOLL_DRAIN: 26,
  SOCKET: 80,
  SOCKETPAIR: 81,
  BIND: 82,
  SOCKET_FILE: 83,
  UNLINK: 84,
  LISTEN: 85,
  CONNECT: 86,
  ACCEPT: 87,
  SOCKOPT: 88,
  SEND: 89,
  SHUTDOWN: 90,
  BIND_ADDRESS: 91,
  RENAME: 92,
  TCP_REPAIR: 94,
  TCP_OPEN: 95,
  TCP_SEND: 96,
  TCP_ENDED: 97,
  CONNECT_ADDRESS: 93,
  DATAGRAM: 98,
  SEGMENT: 99,
  SEGMENT_FILL: 100,
  SEGMENT_SET: 101,
  SEMAPHORES: 102,
  SEMAPHORES_ADJUST: 103,
  SEMAPHORES_SET: 104,
  QUEUE: 105,
  QUEUE_MARK: 106,
  QUEUE_SET: 107,
  CLOCKS: 108,
  MQUEUE: 109,
  MQUEUE_OPEN: 110,
  MQUEUE_UNLINK: 111,
  TCP_HOLD: 112,
  TCP_FILL: 113,
  TCP_END: 114,
  TCP_RELEASE: 115,
  FILTER: 116,
  PROC_GIVE: 117,
  PTY: 30,
  PTY_SLAVE: 31,
  LOCK: 27,
  PIDFD: 28,
  INOTIFY: 29,
  FORK: 32,
  FORK_SIBLING: 33,
  FORK_ORPHAN: 34,
  SUBREAPER: 35,
  SETSID: 36,
  SETPGID: 37,
  REAP: 38,
  AWAIT_ZOMBIE: 39,
  CHDIR: 40,
  CHROOT: 41,
  UMASK: 42,
  DUP: 43,
  EXEC: 44,
  PROGRAM: 45,
  DIE: 46,
  TTY_CONTROL: 49,
  TTY_FOREGROUND: 50,
  TTY_LEAVE: 51,
  PIDFD_GIVE: 47,
  PIDFD_TAKE: 48,
  RLIMITS: 64,
  SCHED: 65,
  AFFINITY: 66,
  IOPRIO: 67,
  PROCFILE: 68,
  CGROUP: 69,
  STOP: 70,
  FOREGROUND: 71,
  PTY_SET: 72,
  INOTIFY_ADD: 73,
} as const;

const OP_NAMES = new Map<number, string>(Object.entries(OP).map(([name, value]) => [value, name.toLowerCase().replaceAll("_", "-")]));

/** What people call an operation. */
export function operationName(type: number): string {
  return OP_NAMES.get(type) ?? String(type);
}

export const OPERATIONS: readonly string[] = [...OP_NAMES.values()];

/** enum plan_fault: where a fault is to happen, for tests (src/fault.ts) */
export const FAULT = { NONE: 0, OP: 1, BORN: 2, READY: 3, FORKED: 4, LOADED: 5, GATE: 6, RUNNING: 7 } as const;

/** enum plan_fault_action */
export const FAULT_ACTION = { FAIL: 1, KILL: 2, DIE: 3, STOP: 4 } as const;

/** enum plan_lock */
export const LOCK = { FLOCK: 1, OFD: 2, LEASE: 3 } as const;

/** enum plan_at */
export const AT = { CWD: 0, IMAGE: 1 } as const;

/** enum plan_pty */
export const PTY = { TERMIOS: 1, WINDOW: 2, PACKET: 3, LOCK: 4, EXCLUSIVE: 5, INPUT: 6, OUTPUT: 7, STOP: 8 } as const;

export const PlanHeader = new Struct({
  magic: "u64",
  version: "u32",
  header_size: "u32",
  size: "u64",
  flags: "u32",
  barriers: "u32",
  slot_base: "u32",
  nr_slots: "u32",
  nr_inherited: "u32",
  root: "u32",
  nr_live: "u32",
  gate_slot: "u32",
  report_slot: "u32",
  nr_procs: "u32",
  procs_off: "u32",
  nr_ops: "u32",
  ops_off: "u32",
  nr_pids: "u32",
  pids_off: "u32",
  fault: "u32",
  fault_index: "u32",
  fault_action: "u32",
  create: ["u32", 2],
  fork: ["u32", 2],
  settle: ["u32", 2],
  finish: ["u32", 2],
});

export const PlanProc = new Struct({
  pid: "s32",
  kind: "u32",
  parent: "u32",
  exit_signal: "u32",
  comm: ["char", 16],
  stage: ["u32", 2 * STAGES],
});

export const PlanOp = new Struct({
  type: "u32",
  flags: "u32",
  slot: "s32",
  arg: "s32",
  a: "u64",
  b: "u64",
  data_off: "u32",
  data_len: "u32",
});

/** enum plan_fill */
export const FILL = { HUGE: 1 } as const;

export const PlanHuge = new Struct({ shift: "u32", reserved: "u32", nr_runs: "u32", pad: "u32" });

/** enum plan_sysv_flag */
export const SYSV = { TAKE: 1, MARKED: 2, LOCKED: 4, RESERVED: 8 } as const;

export const PlanSysv = new Struct({
  id: "s32",
  key: "s32",
  uid: "u32",
  gid: "u32",
  cuid: "u32",
  cgid: "u32",
  mode: "u32",
  flags: "u32",
  size: "u64",
  huge_shift: "u32",
  pad: "u32",
});

/** enum plan_mqueue_flag */
export const MQUEUE = { TAKE: 1, REFILL: 2 } as const;

export const PlanMqueue = new Struct({
  max_messages: "u64",
  message_size: "u64",
  ino: "u64",
  dev: "u64",
  flags: "u32",
  name_len: "u32",
});

export const PlanPosted = new Struct({ priority: "u32", len: "u32" });

/** enum plan_tcp_flag */
export const TCP_MAY_BE_OVER = 1;
export const TCP_FILLED_END = 2;
/** PLAN_TCP_*: how a connection came to its end. */
export const TCP_OVER = { ended: 0n, reset: 1n, broken: 2n, refused: 3n } as const;
/** enum plan_tcp_option */
export const TCP_OPTION = { SACK: 1, WINDOW_SCALE: 2, TIMESTAMPS: 4 } as const;

export const PlanTcp = new Struct({
  local_len: "u32",
  peer_len: "u32",
  receive_sequence: "u32",
  send_sequence: "u32",
  options: "u32",
  mss: "u32",
  send_scale: "u32",
  receive_scale: "u32",
  timestamp: "u32",
  snd_wl1: "u32",
  snd_wnd: "u32",
  max_window: "u32",
  rcv_wnd: "u32",
  rcv_wup: "u32",
});

/** What an operation is for, for the message if it fails. */
export interface Subject {
  pid?: number;
  comm?: string;
  fd?: number;
  path?: string;
  /** kind of object */
  object?: string;
}

export interface Op {
  type: (typeof OP)[keyof typeof OP];
  flags?: number;
  slot?: number;
  arg?: number;
  a?: bigint;
  b?: bigint;
  /** a string gets a NUL behind it; equal strings, and the same bytes, are stored once. Parts are put together */
  data?: string | Uint8Array | readonly Uint8Array[];
  subject?: Subject;
}

export interface PlannedProcess {
  pid: number;
  kind: (typeof PROC_KIND)[keyof typeof PROC_KIND];
  /** index of the process that is its parent in the end; NO_PROC: the executor */
  parent: number;
  exitSignal: number;
  comm: string;
  /** by STAGE */
  stages: Op[][];
}

export interface Plan {
  detach: boolean;
  progress: boolean;
  /** the kernel chooses the ids; those in the plan only name its processes */
  newPids: boolean;
  /** stages that end with a barrier */
  barriers: ReadonlySet<number>;
  slotBase: number;
  slotCount: number;
  inherited: number;
  root: number;
  gateSlot: number;
  reportSlot: number;
  processes: PlannedProcess[];
  create: Op[];
  fork: Op[];
  settle: Op[];
  finish: Op[];
  /** every id of a task or thread, and of helpers */
  pids: number[];
  fault?: Fault | undefined;
}

export interface EncodedPlan {
  /** to be written one after the other */
  parts: Uint8Array[];
  /** by index of operation */
  subjects: (Subject | undefined)[];
  /** the fault that was asked for has a place in it */
  faultPlaced: boolean;
}

function align8(size: number): number {
  return Math.ceil(size / 8) * 8;
}

interface Place {
  offset: number;
  length: number;
}

/** Strings and binary data behind the tables. Binary data are not copied: they become parts of the plan as they are. */
class DataArea {
  readonly parts: Uint8Array[] = [];
  private readonly known = new Map<NonNullable<Op["data"]>, Place>();

  constructor(private end: number) {}

  get size(): number {
    return this.end;
  }

  add(data: NonNullable<Op["data"]>): Place {
    let place = this.known.get(data);
    if (place === undefined) {
      place = this.append(typeof data === "string" ? [Buffer.from(data, "utf8")] : data instanceof Uint8Array ? [data] : data);
      this.known.set(data, place);
    }
    return place;
  }

  /** At least one NUL follows: the executor takes that as the end of a string. */
  private append(parts: readonly Uint8Array[]): Place {
    const offset = this.end;
    const length = parts.reduce((size, part) => size + part.length, 0);
    const padding = align8(length + 1) - length;
    this.parts.push(...parts, new Uint8Array(padding));
    this.end += length + padding;
    return { offset, length };
  }
}

export function encodePlan(plan: Plan): EncodedPlan {
  const lists = [plan.create, plan.fork, plan.settle, plan.finish, ...plan.processes.flatMap((process) => process.stages)];
  const opCount = lists.reduce((count, list) => count + list.length, 0);

  const procsOff = align8(PlanHeader.size);
  const opsOff = align8(procsOff + plan.processes.length * PlanProc.size);
  const pidsOff = align8(opsOff + opCount * PlanOp.size);
  const pids = Int32Array.from(new Set(plan.pids)).sort();
  const tables = Buffer.alloc(align8(pidsOff + pids.length * 4));
  const view = new DataView(tables.buffer, tables.byteOffset, tables.byteLength);
  const data = new DataArea(tables.length);
  const subjects: (Subject | undefined)[] = [];
  const fault = placeFault(plan.fault, lists.flat(), plan.processes.length);

  const putOps = (ops: Op[]): [number, number] => {
    const first = subjects.length;
    for (const op of ops) {
      putOp(view, opsOff + subjects.length * PlanOp.size, op, data);
      subjects.push(op.subject);
    }
    return [first, ops.length];
  };
  const create = putOps(plan.create);
  const fork = putOps(plan.fork);
  const settle = putOps(plan.settle);
  const finish = putOps(plan.finish);
  plan.processes.forEach((process, i) => {
    PlanProc.write(view, procsOff + i * PlanProc.size, {
      pid: process.pid,
      kind: process.kind,
      parent: process.parent,
      exit_signal: process.exitSignal,
      comm: process.comm,
      stage: process.stages.flatMap(putOps),
    });
  });
  pids.forEach((pid, i) => {
    view.setInt32(pidsOff + i * 4, pid, true);
  });
  let barriers = 0;
  for (const stage of plan.barriers) barriers |= 1 << stage;
  PlanHeader.write(view, 0, {
    magic: PLAN_MAGIC,
    version: PLAN_VERSION,
    header_size: PlanHeader.size,
    size: BigInt(data.size),
    flags: (plan.detach ? PLAN_FLAG.DETACH : 0) | (plan.progress ? PLAN_FLAG.PROGRESS : 0) | (plan.newPids ? PLAN_FLAG.NEW_PIDS : 0),
    barriers,
    slot_base: plan.slotBase,
    nr_slots: plan.slotCount,
    nr_inherited: plan.inherited,
    root: plan.root,
    nr_live: plan.processes.filter((process) => process.kind === PROC_KIND.LIVE).length,
    gate_slot: plan.gateSlot,
    report_slot: plan.reportSlot,
    nr_procs: plan.processes.length,
    procs_off: procsOff,
    nr_ops: opCount,
    ops_off: opsOff,
    nr_pids: pids.length,
    pids_off: pidsOff,
    fault: fault?.at ?? FAULT.NONE,
    fault_index: fault?.index ?? 0,
    fault_action: fault?.action ?? 0,
    create,
    fork,
    settle,
    finish,
  });
  return { parts: [tables, ...data.parts], subjects, faultPlaced: fault !== undefined };
}

/** Which of the operations, in the order in which they are stored, or which process it is. */
function placeFault(
  fault: Fault | undefined,
  ops: readonly Op[],
  processes: number,
): { at: number; index: number; action: number } | undefined {
  if (fault === undefined) return undefined;
  const { point, nth } = fault;
  const action = FAULT_ACTION[fault.action.toUpperCase() as Uppercase<Fault["action"]>];
  if (point.startsWith(OPERATION)) {
    const name = point.slice(OPERATION.length);
    let seen = 0;
    const index = ops.findIndex((op) => operationName(op.type) === name && ++seen === nth);
    return index < 0 ? undefined : { at: FAULT.OP, index, action };
  }
  const at = Object.entries(FAULT).find(([name]) => point === `executor.${name.toLowerCase()}`)?.[1];
  if (at === undefined || nth > (at === FAULT.BORN ? processes : 1)) return undefined;
  return { at, index: nth - 1, action };
}

/** Field by field, not through the list of fields: a large tree has thousands of operations. */
function putOp(view: DataView, at: number, op: Op, data: DataArea): void {
  view.setUint32(at, op.type, true);
  view.setUint32(at + 4, op.flags ?? 0, true);
  view.setInt32(at + 8, op.slot ?? 0, true);
  view.setInt32(at + 12, op.arg ?? 0, true);
  if (op.a !== undefined) view.setBigUint64(at + 16, op.a, true);
  if (op.b !== undefined) view.setBigUint64(at + 24, op.b, true);
  if (op.data !== undefined) {
    const { offset, length } = data.add(op.data);
    view.setUint32(at + 32, offset, true);
    view.setUint32(at + 36, length, true);
  }
}
