/** What /proc tells of the threads of a task that runs, and of what tasks share. */

import { closeSync, openSync, readSync } from "node:fs";

import type { Details } from "../../errors.js";
import { REFUSE } from "../../image/layout.js";
import { native } from "../../native.js";
import { CAP, hasCapability } from "../../proc/capabilities.js";
import { isDead, parseStat } from "../../proc/stat.js";
import { statusNumber } from "../../proc/status.js";
import { viaOf } from "../../proc/via.js";
import { traced } from "../preflight.js";
import { REFUSALS } from "../refusals.js";
import type { TaskState } from "../tasks.js";

type Refuse = (problem: Details & { why: string }) => void;

/** Throws if somebody traces one of them. Returns the calls that a stop will interrupt for good, by name. */
export function lookAtThreads({ frozen, stat }: TaskState, refuse: Refuse): string[] {
  const { pid, threads } = frozen;
  const read = (name: string): (string | number)[] => native().readTexts(threads.map((tid) => `/proc/${pid}/task/${tid}/${name}`));
  const add = (code: number, why: string, tid?: number): void => {
    const known = REFUSALS.get(code);
    refuse({
      pid,
      comm: stat.comm,
      ...(tid === undefined || tid === pid ? {} : { tid }),
      object: known?.object ?? "thread",
      why,
      ...(known === undefined ? {} : { hint: known.hint }),
    });
  };
  const killer = stat.exitStatus & WTERMSIG;
  if (isDead(stat) && killer !== 0) add(REFUSE.LEADER, `the first thread was ended by signal ${killer}, which the others outlived`);
  if (isCompat(viaOf(frozen))) add(REFUSE.COMPAT, "a 32-bit or x32 program");
  const [timers] = native().readTexts([`/proc/${pid}/timers`]);
  for (const { id, clock } of typeof timers === "string" ? oddTimers(timers, pid, threads) : [])
    add(REFUSE.TIMER, `POSIX timer ${id} is on clock ${clock}, which is ${clock < 0 ? NOBODYS : "not saved"}`);
  const modes = new Set<number | undefined>();
  read("status").forEach((status, i) => {
    if (typeof status !== "string") return;
    const tracer = statusNumber(status, "TracerPid") ?? 0;
    if (tracer !== 0) throw traced(threads[i] ?? pid, stat.comm, tracer);
    modes.add(statusNumber(status, "Seccomp"));
  });
  if (modes.has(SECCOMP_MODE_FILTER)) lookAtFilters((why, hint) => refuse({ pid, comm: stat.comm, object: "seccomp filters", why, hint }));
  read("stat").forEach((text, i) => {
    if (typeof text === "string" && (parseStat(text).flags & PF_KERNEL_PART) !== 0)
      add(REFUSE.IO_URING, "a worker of io_uring or of a virtual device (vhost), which has no state that could be saved", threads[i]);
  });
  lookAtSharing(viaOf(frozen), threads, add);
  return read("syscall").flatMap((text, i) => {
    const call = typeof text === "string" ? parseCall(text) : undefined;
    if (call === undefined) return [];
    if (isOddSleep(call))
      add(
        REFUSE.RESTART,
        `a thread waits in system call ${call.number} in a way that cannot be resumed (a sleep on a CPU clock or an alarm clock)`,
        threads[i],
      );
    const name = NOT_RESTARTED.get(call.number);
    return name === undefined ? [] : [name];
  });
}

const SECCOMP_MODE_FILTER = 2;
/** of a wait(2) status: the signal */
const WTERMSIG = 0x7f;
/** include/linux/sched.h: PF_IO_WORKER, and PF_USER_WORKER of 6.4 and later */
const PF_KERNEL_PART = 0x10 | 0x4000;

function lookAtFilters(add: (why: string, hint: string) => void): void {
  const [own] = native().readTexts(["/proc/self/status"]);
  const free = typeof own !== "string" || (statusNumber(own, "Seccomp") ?? 0) === 0;
  if (hasCapability(CAP.SYS_ADMIN) && free) return;
  add(
    free ? "they cannot be read without CAP_SYS_ADMIN" : "they cannot be read by a crctl that is under a filter itself",
    "reading them takes CAP_SYS_ADMIN, and a kernel with CONFIG_CHECKPOINT_RESTORE",
  );
}

/** EI_CLASS of the program */
const EI_CLASS = 4;
const ELFCLASS32 = 1;

function isCompat(pid: number): boolean {
  let fd;
  try {
    fd = openSync(`/proc/${pid}/exe`, "r");
  } catch {
    return false; // it has ended, or may not be read
  }
  try {
    const head = Buffer.alloc(EI_CLASS + 1);
    return readSync(fd, head, 0, head.length, 0) === head.length && head[EI_CLASS] === ELFCLASS32;
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

/** CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI */
const SLEEP_CLOCKS: ReadonlySet<number> = new Set([0, 1, 7, 11]);
/** and CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM */
const TIMER_CLOCKS: ReadonlySet<number> = new Set([...SLEEP_CLOCKS, 8, 9]);

const NOBODYS = "the time of another process or of a thread that has exited";
/** Of a clock of processors' time, include/linux/posix-timers.h: it is a thread's; and which thread or process, 0 for who made the timer. */
const CPUCLOCK_PERTHREAD = 4;
const cpuClockPid = (clock: number): number => ~(clock >> 3);

/** Of /proc/<pid>/timers, proc(5), of a process with these threads. */
export function oddTimers(text: string, process: number, threads: readonly number[]): { id: number; clock: number }[] {
  const isOwn = (clock: number): boolean => {
    const pid = cpuClockPid(clock);
    return pid === 0 || ((clock & CPUCLOCK_PERTHREAD) !== 0 ? threads.includes(pid) : pid === process);
  };
  return [...text.matchAll(/^ID: (\d+)$[^]*?^ClockID: (-?\d+)$/gm)]
    .map(([, id, clock]) => ({ id: Number(id), clock: Number(clock) }))
    .filter(({ clock }) => (clock < 0 ? !isOwn(clock) : !TIMER_CLOCKS.has(clock)));
}

interface Call {
  number: number;
  arguments: bigint[];
}

/** Of /proc/<pid>/syscall, proc(5); undefined: it is in none. */
export function parseCall(text: string): Call | undefined {
  const [number = "", ...rest] = text.trim().split(" ");
  if (!/^\d+$/.test(number)) return undefined;
  return { number: Number(number), arguments: rest.slice(0, 6).map((word) => BigInt(word)) };
}

const CLOCK_NANOSLEEP = 230;

function isOddSleep(call: Call): boolean {
  return call.number === CLOCK_NANOSLEEP && !SLEEP_CLOCKS.has(Number(BigInt.asIntN(32, call.arguments[0] ?? 0n)));
}

/** signal(7), "Interruption of system calls and library functions by stop signals" */
const NOT_RESTARTED: ReadonlyMap<number, string> = new Map([
  [65, "semop"],
  [128, "rt_sigtimedwait"],
  [208, "io_getevents"],
  [220, "semtimedop"],
  [232, "epoll_wait"],
  [281, "epoll_pwait"],
  [441, "epoll_pwait2"],
]);

/** kcmp(2) */
const KCMP = { VM: 1, FILES: 2, FS: 3 } as const;

/** Threads share all of it, other tasks nothing. Who shares with a task is, as a rule, its parent or its sibling. */
function lookAtSharing(via: number, threads: readonly number[], add: (code: number, why: string, tid?: number) => void): void {
  for (const tid of threads) {
    if (tid === via) continue;
    if (differs(via, tid, KCMP.FILES)) add(REFUSE.SHARED_FILES, "a thread with a descriptor table of its own", tid);
    if (differs(via, tid, KCMP.FS)) add(REFUSE.SHARED_FILES, "a thread with a working directory and umask of its own", tid);
  }
}

/** Live tasks, and the root's parent: those who share what only threads may. Zombies have nothing, and so all the same. */
export function lookAtRelatives(
  states: readonly TaskState[],
  refuse: (pid: number, comm: string, problem: Details & { why: string }) => void,
): void {
  const vias = new Map(states.map(({ frozen }) => [frozen.pid, viaOf(frozen)]));
  const siblings = new Map<number, number>();
  for (const { frozen, stat } of states) {
    const before = siblings.get(stat.ppid);
    siblings.set(stat.ppid, frozen.pid);
    for (const other of [stat.ppid, before]) {
      if (other === undefined || other === 0) continue;
      for (const [type, code, what] of [
        [KCMP.VM, REFUSE.SHARED_MM, "memory is"],
        [KCMP.FILES, REFUSE.SHARED_FILES, "descriptor table is"],
        [KCMP.FS, REFUSE.SHARED_FILES, "working directory and umask are"],
      ] as const) {
        if (compare(viaOf(frozen), vias.get(other) ?? other, type) !== 0) continue;
        const known = REFUSALS.get(code);
        refuse(frozen.pid, stat.comm, {
          object: known?.object ?? "task",
          why: `its ${what} shared with process ${other}, which is no thread of it`,
          ...(known === undefined ? {} : { hint: known.hint }),
        });
      }
    }
  }
}

function differs(one: number, other: number, type: number): boolean {
  return (compare(one, other, type) ?? 0) !== 0;
}

/** Undefined: one of them has ended, or is not ours to look at. */
function compare(one: number, other: number, type: number): number | undefined {
  try {
    return native().kcmp(one, other, type, 0, 0);
  } catch {
    return undefined;
  }
}
