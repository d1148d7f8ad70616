/** kmod/crctl_image.h in TypeScript. A unit test compiles that header and compares every constant, offset and size. */

import { Struct, type RecordOf } from "./struct.js";

export const NOTE_NAME = "CRCTL";
export const FORMAT_VERSION = 1;

export const MAX_NOTES_SIZE = 256 << 20;
export const MAX_PHDRS = 16 << 20;
export const MAX_THREADS = 65536;
export const MAX_VMAS = 1048576;
export const MAX_PID_LEVELS = 32;

/** CRCTL_NT_*; "CR" in the upper half keeps debuggers, which look at the type alone, from taking them for their own */
export const NT = {
  IMAGE: 0x43520001,
  MM: 0x43520002,
  VMA: 0x43520003,
  PROCESS: 0x43520004,
  THREAD: 0x43520005,
  SIGACTION: 0x43520006,
  SIGPENDING: 0x43520007,
  TIMER: 0x43520008,
  CREDS: 0x43520009,
  VDSO: 0x4352000a,
  SECCOMP: 0x4352000b,
  REFUSAL: 0x4352000c,
  DESCRIPTOR: 0x4352000d,
  SEM_UNDO: 0x4352000e,
  COW: 0x4352000f,
  MEMPOLICY: 0x43520010,
  EXTENT: 0x43520020,
  CONTROL: 0x43520021,
  CLOEXEC: 0x43520022,
  LOCK: 0x43520023,
  PEERCRED: 0x43520024,
  NOTIFY: 0x43520025,
} as const;

/** CRCTL_DESCRIPTOR_* */
export const DESCRIPTOR_WHAT = {
  SEMAPHORE: 1,
  TERMINAL: 2,
  INPUT: 3,
  ENDS: 4,
  OUTPUT: 5,
  TCP: 6,
  UNSENT: 7,
  UDP: 8,
  NETLINK: 9,
  MQUEUE: 10,
} as const;

/** CRCTL_MQUEUE_* */
export const MQUEUE_FLAG = { ELSEWHERE: 1, WAITED: 2, NOTIFY: 4, DEAF: 8, UNTOLD: 16 } as const;

/** CRCTL_UDP_* */
export const UDP_FLAG = { PENDING: 1, MULTICAST: 2, TAKEN: 4, NO_RECEIVING: 8, NO_SENDING: 16, CHOSEN: 32, ELSEWHERE: 64 } as const;

/** CRCTL_NETLINK_* */
export const NETLINK_FLAG = { UNREAD: 1, ELSEWHERE: 2 } as const;

/** CRCTL_TCP_* */
export const TCP_FLAG = { BUSY: 1, URGENT: 2, TAKEN: 4, SIGNED: 8, REPAIR: 16, ENDED: 32, FIN: 64, CHOSEN: 128, ELSEWHERE: 256 } as const;

/** CRCTL_TERMINAL_* */
export const TERMINAL_FLAG = { BUSY: 1, STOPPED: 2, FLOW_OFF: 4 } as const;

/** CRCTL_IMAGE_* */
export const IMAGE_KIND = { DUMP: 1, MANIFEST: 2 } as const;

/** CRCTL_VMA_* */
export const VMA_KIND = { ANON: 1, FILE_PRIVATE: 2, FILE_SHARED: 3, VDSO: 4, VVAR: 5, HUGE: 6 } as const;

/** CRCTL_VMF_* */
export const VMF = {
  GROWSDOWN: 1n << 0n,
  LOCKED: 1n << 1n,
  LOCKONFAULT: 1n << 2n,
  DONTFORK: 1n << 3n,
  DONTDUMP: 1n << 4n,
  WIPEONFORK: 1n << 5n,
  HUGEPAGE: 1n << 6n,
  NOHUGEPAGE: 1n << 7n,
  MERGEABLE: 1n << 8n,
  SEQ_READ: 1n << 9n,
  RAND_READ: 1n << 10n,
  NORESERVE: 1n << 11n,
  ACCOUNT: 1n << 12n,
  MAYWRITE: 1n << 13n,
  MAYEXEC: 1n << 14n,
  SYNC: 1n << 15n,
  DROPPABLE: 1n << 16n,
  PKEY: 15n << 32n,
} as const;

/** CRCTL_FILE_* */
export const FILE_FLAG = { DELETED: 1, SHMEM_ANON: 2, MEMFD: 4, SYSV: 8 } as const;

/** CRCTL_MEMBARRIER_* */
export const MEMBARRIER = {
  PRIVATE_EXPEDITED: 1,
  PRIVATE_EXPEDITED_SYNC_CORE: 2,
  PRIVATE_EXPEDITED_RSEQ: 4,
  GLOBAL_EXPEDITED: 8,
} as const;

/** CRCTL_RESTART_* */
export const RESTART = { NONE: 0, NANOSLEEP: 1, POLL: 2, FUTEX: 3, CPU_NANOSLEEP: 4, ALARM_NANOSLEEP: 5 } as const;

/** CRCTL_POLICY_*: modes, and flags that are added to one */
export const POLICY = {
  PREFERRED: 1,
  BIND: 2,
  INTERLEAVE: 3,
  LOCAL: 4,
  PREFERRED_MANY: 5,
  WEIGHTED_INTERLEAVE: 6,
  NUMA_BALANCING: 1 << 13,
  RELATIVE_NODES: 1 << 14,
  STATIC_NODES: 1 << 15,
  FLAGS: 7 << 13,
  LAST: 6,
  NODES: 1024,
} as const;

/** CRCTL_EXTENT_* */
export const EXTENT_SOURCE = { FILE: 0, PARENT: 1, PIPE: 2, ABSENT: 3 } as const;

/** CRCTL_REFUSE_* */
export const REFUSE = {
  VMA_FLAG: 1,
  VMA_KIND: 2,
  PAGE: 3,
  PKEY: 4,
  LDT: 5,
  MEMPOLICY: 6,
  XFEATURE: 7,
  SHARED_MM: 8,
  SHARED_FILES: 9,
  COMPAT: 10,
  USERFAULTFD: 11,
  AIO: 12,
  IOPERM: 13,
  SYSCALL_DISPATCH: 14,
  RESTART: 15,
  TIMER: 16,
  HUGETLB: 17,
  IO_URING: 18,
  DEBUGREG: 19,
  UPROBE: 20,
  LEADER: 21,
  THREAD: 22,
  LANDLOCK: 23,
  SEM_UNDO: 24,
} as const;

export const NoteHead = new Struct({ version: "u32", rec_size: "u32", count: "u32", extra_size: "u32" });

export const ImageInfo = new Struct({
  kind: "u32",
  nr_threads: "u32",
  xfeatures_used: "u64",
  realtime_ns: "u64",
  monotonic_ns: "u64",
  boottime_ns: "u64",
  release: ["char", 64],
});

export const Mm = new Struct({
  start_code: "u64",
  end_code: "u64",
  start_data: "u64",
  end_data: "u64",
  start_brk: "u64",
  brk: "u64",
  start_stack: "u64",
  arg_start: "u64",
  arg_end: "u64",
  env_start: "u64",
  env_end: "u64",
  mmap_base: "u64",
  vdso: "u64",
  vvar: "u64",
  vdso_size: "u32",
  vvar_size: "u32",
  lock_future: "u32",
  dumpable: "u32",
  thp_disable: "u32",
  coredump_filter: "u32",
  membarrier: "u32",
  personality: "u32",
  exe_fd: "s32",
  exe_flags: "u32",
  exe_off: "u32",
  exe_len: "u32",
  exe_dev_major: "u32",
  exe_dev_minor: "u32",
  exe_ino: "u64",
  pkeys: "u32",
  execute_only_pkey: "u32",
});

export const Vma = new Struct({
  start: "u64",
  end: "u64",
  offset: "u64",
  flags: "u64",
  kind: "u32",
  prot: "u32",
  dev_major: "u32",
  dev_minor: "u32",
  ino: "u64",
  fd: "s32",
  file_flags: "u32",
  name_off: "u32",
  name_len: "u32",
  attachment: "u32",
  huge_shift: "u32",
});

/** The three itimers are pairs of value and interval. */
export const Process = new Struct({
  exit_signal: "s32",
  child_subreaper: "u32",
  stop_signal: "u32",
  next_timer_id: "s32",
  itimer: ["u64", 6],
});

export const Thread = new Struct({
  nr_pids: "u32",
  pids_off: "u32",
  comm: ["char", 16],
  sigmask: "u64",
  sas_sp: "u64",
  sas_size: "u64",
  sas_flags: "u32",
  pdeath_signal: "u32",
  robust_list: "u64",
  clear_child_tid: "u64",
  rseq: "u64",
  rseq_len: "u32",
  rseq_sig: "u32",
  timer_slack_ns: "u64",
  settings: "u32",
  restart_kind: "u32",
  restart_arg: ["u64", 6],
  restart_left_ns: "u64",
  seccomp_mode: "u32",
  in_syscall: "u32",
  exited: "u32",
  exit_status: "u32",
});

export const SigAction = new Struct({ handler: "u64", flags: "u64", restorer: "u64", mask: "u64" });

export const SigPending = new Struct({ target: "u32", signo: "u32", info: ["u8", 128] });

export const Timer = new Struct({
  id: "s32",
  clock_id: "s32",
  notify: "s32",
  signo: "s32",
  sigev_value: "u64",
  target: "u32",
  clock_thread: "u32",
  left_ns: "u64",
  interval_ns: "u64",
});

export const DescriptorNote = new Struct({ fd: "u32", what: "u32", value: "u64" });

export const SemUndo = new Struct({ id: "s32", lists: "u32", nr_adjustments: "u32", adjustments_off: "u32" });

export const TcpNote = new Struct({
  state: "u32",
  shutdown: "u32",
  error: "u32",
  flags: "u32",
  rcv_nxt: "u32",
  copied_seq: "u32",
  rcv_wup: "u32",
  rcv_wnd: "u32",
  snd_una: "u32",
  snd_nxt: "u32",
  write_seq: "u32",
  snd_wl1: "u32",
  snd_wnd: "u32",
  max_window: "u32",
  mss_clamp: "u32",
  pad: "u32",
});

export const MqueueNote = new Struct({
  flags: "u32",
  opened: "u32",
  max_messages: "u64",
  message_size: "u64",
  bytes: "u64",
  messages: "u32",
  notify: "s32",
  notify_pid: "s32",
  notify_signal: "s32",
  notify_value: "u64",
});

export const MqueueMessage = new Struct({ priority: "u32", size: "u32" });

export const PeerCred = new Struct({ fd: "u32", pid: "s32", uid: "u32", gid: "u32", nr_groups: "u32", groups_off: "u32" });
export const Cow = new Struct({ start: "u64", len: "u64" });
export const MemPolicy = new Struct({
  start: "u64",
  end: "u64",
  thread: "u32",
  mode: "u32",
  home_node: "s32",
  pad: "u32",
  nodes: ["u64", 16],
});
export const Notify = new Struct({ fd: "u32", notify: "s32", signal: "s32", pad: "u32", value: "u64" });
export const Lock = new Struct({ fd: "u32", write: "u32", start: "u64", len: "u64" });

export const Creds = new Struct({
  uid: "u32",
  euid: "u32",
  suid: "u32",
  fsuid: "u32",
  gid: "u32",
  egid: "u32",
  sgid: "u32",
  fsgid: "u32",
  cap_inheritable: "u64",
  cap_permitted: "u64",
  cap_effective: "u64",
  cap_bset: "u64",
  cap_ambient: "u64",
  securebits: "u32",
  nr_groups: "u32",
  groups_off: "u32",
  pad: "u32",
});

export const Seccomp = new Struct({ thread: "u32", flags: "u32", nr_insns: "u32", insns_off: "u32" });

export const Refusal = new Struct({
  code: "u32",
  tid: "s32",
  addr: "u64",
  value: "u64",
  text_off: "u32",
  text_len: "u32",
});

export const Extent = new Struct({ vaddr: "u64", len: "u64", offset: "u64", fd: "s32", source: "u32" });

export const Control = new Struct({ gate_fd: "s32", report_fd: "s32", flags: "u32", id: "u32", source: "u32", pad: "u32" });

export type NoteHeadRecord = RecordOf<typeof NoteHead>;
export type ImageInfoRecord = RecordOf<typeof ImageInfo>;
export type MmRecord = RecordOf<typeof Mm>;
export type VmaRecord = RecordOf<typeof Vma>;
export type ProcessRecord = RecordOf<typeof Process>;
export type ThreadRecord = RecordOf<typeof Thread>;
export type SigActionRecord = RecordOf<typeof SigAction>;
export type SigPendingRecord = RecordOf<typeof SigPending>;
export type TimerRecord = RecordOf<typeof Timer>;
export type SemUndoRecord = RecordOf<typeof SemUndo>;
export type MemPolicyRecord = RecordOf<typeof MemPolicy>;
export type TcpNoteRecord = RecordOf<typeof TcpNote>;
export type MqueueNoteRecord = RecordOf<typeof MqueueNote>;
export type DescriptorNoteRecord = RecordOf<typeof DescriptorNote>;
export type CredsRecord = RecordOf<typeof Creds>;
export type SeccompRecord = RecordOf<typeof Seccomp>;
export type RefusalRecord = RecordOf<typeof Refusal>;
export type ExtentRecord = RecordOf<typeof Extent>;
export type ControlRecord = RecordOf<typeof Control>;
