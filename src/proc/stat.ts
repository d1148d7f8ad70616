/** /proc/<pid>/stat, proc(5). */

export interface ProcStat {
  pid: number;
  comm: string;
  state: string;
  ppid: number;
  pgid: number;
  sid: number;
  /** device number of the controlling terminal, 0 if none */
  ttyDevice: number;
  /** PF_* */
  flags: number;
  /** of its process; the first one counts as long as there is any */
  threads: number;
  /** clock ticks after boot; pid and this name a process for good */
  startTicks: bigint;
  exitSignal: number;
  /** as wait(2) has it; 0 unless the reader may trace the task */
  exitStatus: number;
}

const PF_KTHREAD = 0x00200000;

export function parseStat(text: string): ProcStat {
  // the name may hold anything, parentheses and spaces too; nothing behind it does
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 0 || close < open) throw new Error(`unexpected text in /proc/<pid>/stat: ${text}`);
  const rest = text.slice(close + 2).split(" ");
  const field = (number: number): string => rest[number - 3] ?? "0"; // numbered as in proc(5)
  return {
    pid: Number(text.slice(0, open)),
    comm: text.slice(open + 1, close),
    state: field(3),
    ppid: Number(field(4)),
    pgid: Number(field(5)),
    sid: Number(field(6)),
    ttyDevice: Number(field(7)),
    flags: Number(field(9)),
    threads: Number(field(20)),
    startTicks: BigInt(field(22)),
    exitSignal: Number(field(38)),
    exitStatus: Number(field(52)),
  };
}

export function isKernelThread(stat: ProcStat): boolean {
  return (stat.flags & PF_KTHREAD) !== 0;
}

/** Of a process: its first thread has ended; others may live. */
export function isDead(stat: ProcStat): boolean {
  return stat.state === "Z" || stat.state === "X";
}

/** Of a process: all of its threads have ended. */
export function hasEnded(stat: ProcStat): boolean {
  return isDead(stat) && stat.threads <= 1;
}

/** From the number in field 7. */
export function deviceNumbers(device: number): { major: number; minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}
