/**
 * What does not depend on the machine: system calls and bytes, in all and while the tree stands still. Seen by the
 * kernel's own trace events: criu traces itself when it starts, and would not run under strace. To be run on one
 * processor where that is emulated: switching these events on may hang an emulated machine that has several.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";

export interface Counts {
  calls: number;
  /** from the first task's stop to the last one's release */
  callsWhileFrozen: number;
  /** bytes that were read or written by calls, copies within the kernel (splice and its like) included */
  bytes: number;
  bytesWhileFrozen: number;
}

/** Numbers of calls that return how many bytes they moved (arch/x86/entry/syscalls/syscall_64.tbl). */
const MOVING = new Set([
  0,
  1,
  17,
  18,
  19,
  20,
  295,
  296,
  327,
  328, // read, write, pread, pwrite, their v and v2 forms
  40,
  275,
  278,
  326,
  310, // sendfile, splice, vmsplice, copy_file_range, process_vm_readv
]);
const PTRACE = 101;
const PTRACE_INTERRUPT = 0x4207;
const PTRACE_DETACH = 17;

const TRACEFS = "/sys/kernel/tracing";
/** for each CPU: a dump by criu makes many calls */
const BUFFER_KIB = 65536;

/** Runs a command to its end; an instance of the trace of its own, so that nobody else's is spoilt. */
export function countCalls(command: readonly string[]): Counts {
  if (!existsSync(path.join(TRACEFS, "instances"))) spawnSync("mount", ["-t", "tracefs", "tracefs", TRACEFS]);
  const instance = path.join(TRACEFS, "instances", `crctl-bench-${process.pid}`);
  const set = (file: string, value: string): void => writeFileSync(path.join(instance, file), value);
  mkdirSync(instance);
  try {
    set("buffer_size_kb", String(BUFFER_KIB));
    set("trace_clock", "mono");
    set("options/event-fork", "1");
    // none yet: an empty set would mean everybody
    set("set_event_pid", String(process.pid));
    set("events/raw_syscalls/enable", "1");
    const script = `echo $$ >${instance}/set_event_pid; exec "$@"`;
    const { status, stderr } = spawnSync("/bin/sh", ["-c", script, "sh", ...command], { encoding: "utf8" });
    set("tracing_on", "0");
    if (status !== 0) throw new Error(`${command.join(" ")} ended with ${status}:\n${stderr}`);
    const trace = readFileSync(path.join(instance, "trace"), "latin1");
    const [, kept = "", written = ""] = /entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(trace) ?? [];
    if (kept !== written) throw new Error(`the trace kept ${kept} of ${written} events`);
    return countEvents(trace);
  } finally {
    rmdirSync(instance);
  }
}

/** "node-12 [001] ..... 3.4: sys_enter: NR 101 (4207, ...)", and "sys_exit: NR 101 = 0". */
function countEvents(trace: string): Counts {
  const enter = /: sys_enter: NR (\d+) \(([0-9a-f]+)/;
  const exit = /: sys_exit: NR (\d+) = (-?\d+)/;
  const events = trace.split("\n").flatMap((line) => {
    const [, number, value] = exit.exec(line) ?? enter.exec(line) ?? [];
    if (number === undefined || value === undefined) return [];
    return [{ returned: line.includes(": sys_exit:"), number: Number(number), value }];
  });
  const request = (wanted: number) => (event: (typeof events)[number]) =>
    !event.returned && event.number === PTRACE && Number.parseInt(event.value, 16) === wanted;
  const first = events.findIndex(request(PTRACE_INTERRUPT));
  const last = events.findLastIndex(request(PTRACE_DETACH));
  const counts: Counts = { calls: 0, callsWhileFrozen: 0, bytes: 0, bytesWhileFrozen: 0 };
  events.forEach(({ returned, number, value }, i) => {
    const frozen = first >= 0 && i >= first && i <= last ? 1 : 0;
    if (!returned) {
      counts.calls += 1;
      counts.callsWhileFrozen += frozen;
    } else if (MOVING.has(number)) {
      const bytes = Math.max(0, Number(value));
      counts.bytes += bytes;
      counts.bytesWhileFrozen += frozen * bytes;
    }
  });
  return counts;
}
