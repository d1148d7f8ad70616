/** What does not depend on the machine: system calls and bytes, in all and while the tree stands still. */

import { readFileSync } from "node:fs";

export interface Counts {
  calls: number;
  /** from the first task's stop to the last one's release */
  callsWhileFrozen: number;
  /** bytes that were read or written by calls, copies within the kernel (splice and its like) included */
  bytes: number;
  bytesWhileFrozen: number;
}

/** Calls that return the number of bytes they moved. */
const MOVING = /^(p?read(v2?|64)?|p?write(v2?|64)?|splice|vmsplice|sendfile|copy_file_range|process_vm_readv)$/;

/** A line of `strace -f`: perhaps a pid, the call's name, and at the end what it returned. */
const LINE = /^(?:\d+ +)?(?:<\.\.\. )?(\w+)[( ].*?= (-?\d+)[^=]*$/;

export function countsOf(log: string): Counts {
  const lines = readFileSync(log, "latin1")
    .split("\n")
    .filter((line) => !line.includes("<unfinished ...>"));
  const first = lines.findIndex((line) => line.includes("PTRACE_INTERRUPT"));
  const last = lines.findLastIndex((line) => line.includes("PTRACE_DETACH"));
  const counts: Counts = { calls: 0, callsWhileFrozen: 0, bytes: 0, bytesWhileFrozen: 0 };
  lines.forEach((line, i) => {
    const parts = LINE.exec(line);
    if (parts === null) return;
    const [, name = "", result = "0"] = parts;
    const bytes = MOVING.test(name) ? Math.max(0, Number(result)) : 0;
    const frozen = first >= 0 && i >= first && i <= last ? 1 : 0;
    counts.calls += 1;
    counts.callsWhileFrozen += frozen;
    counts.bytes += bytes;
    counts.bytesWhileFrozen += frozen * bytes;
  });
  return counts;
}
