/** What the kernel module refuses, in words: enum crctl_refusal_code. */

import { REFUSE } from "../image/layout.js";

interface Refusal {
  object: string;
  hint: string;
  transient?: true;
}

const AVOID = "run the program without it, or dump at a moment when it does not use it";

export const REFUSALS: ReadonlyMap<number, Refusal> = new Map([
  [REFUSE.VMA_FLAG, { object: "memory area", hint: AVOID }],
  [REFUSE.VMA_KIND, { object: "memory area", hint: "let the program unmap it first" }],
  [REFUSE.PAGE, { object: "memory page", hint: AVOID }],
  [REFUSE.PKEY, { object: "protection key", hint: AVOID }],
  [REFUSE.LDT, { object: "local descriptor table", hint: AVOID }],
  [REFUSE.MEMPOLICY, { object: "memory policy", hint: "give policies to threads, or to memory that is not shared" }],
  [REFUSE.XFEATURE, { object: "processor feature", hint: "disable the feature for the program (GLIBC_TUNABLES)" }],
  [REFUSE.SHARED_MM, { object: "shared memory space", hint: "wait until its vfork(2) or CLONE_VM child has gone on", transient: true }],
  [REFUSE.SHARED_FILES, { object: "shared descriptor table", hint: AVOID }],
  [REFUSE.COMPAT, { object: "32-bit task", hint: "use a 64-bit build of the program" }],
  [REFUSE.USERFAULTFD, { object: "userfaultfd", hint: AVOID }],
  [REFUSE.AIO, { object: "asynchronous I/O", hint: AVOID }],
  [REFUSE.IOPERM, { object: "I/O port permission", hint: AVOID }],
  [REFUSE.SYSCALL_DISPATCH, { object: "system call user dispatch", hint: AVOID }],
  [REFUSE.RESTART, { object: "interrupted system call", hint: "try again: the call will have ended", transient: true }],
  [REFUSE.TIMER, { object: "timer", hint: AVOID }],
  [REFUSE.HUGETLB, { object: "huge pages", hint: "use those of mmap(2), memfd_create(2), shmget(2) or a hugetlbfs" }],
  [REFUSE.IO_URING, { object: "io_uring", hint: AVOID }],
  [REFUSE.DEBUGREG, { object: "hardware breakpoint", hint: "end the debugger first" }],
  [REFUSE.UPROBE, { object: "uprobe", hint: "remove the probe first" }],
  [REFUSE.LEADER, { object: "thread group leader", hint: "its exit status cannot be made again" }],
  [REFUSE.THREAD, { object: "thread", hint: AVOID }],
  [REFUSE.SEM_UNDO, { object: "System V semaphores", hint: AVOID }],
  [REFUSE.LANDLOCK, { object: "Landlock sandbox", hint: "start the program outside of the sandbox" }],
]);
