/** The frozen tree. Whatever happens to us, the kernel lets it go: its tracer is this process. */

import { CrctlError } from "../errors.js";
import { fault, faultWanted } from "../fault.js";
import { native, type FreezeFailure, type FrozenTask } from "../native.js";
import { parseStat } from "../proc/stat.js";
import { statusField, statusNumber } from "../proc/status.js";
import { ptraceHint, traced } from "./preflight.js";

/** How long tasks may take to be stopped by SIGSTOP once they are let go. */
const STOP_TIMEOUT_MS = 2000;

/** kcmp(2) */
const KCMP_VM = 1;

export class FrozenTree {
  readonly tasks: readonly FrozenTask[];
  private readonly sinceNs: bigint;
  private untilNs: bigint | undefined;

  private constructor(tasks: readonly FrozenTask[], sinceNs: bigint) {
    this.tasks = tasks;
    this.sinceNs = sinceNs;
  }

  static freeze(root: number, timeoutMs: number): FrozenTree {
    let frozen;
    try {
      const faults = faultWanted("dump.seize", "dump.stopped");
      frozen = native().freezeTree(root, timeoutMs, faults ? (stopped) => fault(stopped ? "dump.stopped" : "dump.seize") : undefined);
    } catch (error) {
      throw isFreezeFailure(error) ? explain(error, timeoutMs) : error;
    }
    return new FrozenTree(frozen.tasks, frozen.sinceNs);
  }

  get live(): FrozenTask[] {
    return this.tasks.filter((task) => !task.zombie);
  }

  get threadCount(): number {
    return this.tasks.reduce((sum, task) => sum + task.threads.length, 0);
  }

  /** Everything goes on; what was stopped by a signal stays stopped. */
  thaw(): void {
    if (this.untilNs !== undefined) return;
    this.untilNs = native().thaw(this.tids());
  }

  stop(): void {
    if (this.untilNs !== undefined) return;
    this.untilNs = native().stopAndThaw(
      this.live.map((task) => task.pid),
      this.tids(),
      STOP_TIMEOUT_MS,
    );
  }

  /** Returns the ids that are still taken, by zombies that their parent has not waited for. */
  kill(timeoutMs: number): number[] {
    if (this.untilNs !== undefined) return [];
    this.untilNs = native().clocks().monotonic;
    return native().killFrozen(
      this.live.map((task) => task.pid),
      this.tids(),
      timeoutMs,
    );
  }

  /** How long it has been frozen, or was. */
  get frozenNs(): bigint {
    return (this.untilNs ?? native().clocks().monotonic) - this.sinceNs;
  }

  private tids(): number[] {
    return this.tasks.flatMap((task) => task.threads);
  }
}

function isFreezeFailure(error: unknown): error is FreezeFailure {
  return error instanceof Error && "reason" in error && "tid" in error;
}

function explain(failure: FreezeFailure, timeoutMs: number): CrctlError {
  const { pid, tid } = failure;
  const [stat, status, wchan] = native().readTexts([`/proc/${tid}/stat`, `/proc/${tid}/status`, `/proc/${tid}/wchan`]);
  const comm = typeof stat === "string" ? parseStat(stat).comm : undefined;
  const thread = tid === pid ? "" : `thread ${tid} of `;
  const task = `${thread}task ${pid}${comm === undefined ? "" : ` (${comm})`}`;
  const details = { pid, tid, ...(comm === undefined ? {} : { comm }), cause: failure };
  switch (failure.reason) {
    case "traced":
      return traced(tid, comm, typeof status === "string" ? statusNumber(status, "TracerPid") : undefined);
    case "permission":
      if (comm?.startsWith("iou-") === true) {
        return new CrctlError("E_UNSUPPORTED", `${task} is a worker of io_uring, which cannot be saved`, {
          ...details,
          object: "io_uring",
        });
      }
      return new CrctlError("E_PERMISSION", `no permission to stop ${task}`, {
        ...details,
        hint: ptraceHint(),
      });
    case "vanished":
      return new CrctlError("E_TARGET_DIED", `${task} ended while it was being frozen`, details);
    case "timeout": {
      const child = vforkChild(pid, tid);
      if (child !== undefined) {
        return new CrctlError(
          "E_UNSUPPORTED",
          `${task} waits for its vfork(2) child ${child}, with which it shares its memory; the tree goes on`,
          {
            ...details,
            object: "vfork",
            hint: "try again when the child has executed its program or ended",
          },
        );
      }
      const state = typeof status === "string" ? statusField(status, "State") : undefined;
      const where = typeof wchan === "string" && wchan !== "0" && wchan !== "" ? `, in ${wchan}` : "";
      return new CrctlError(
        "E_FREEZE",
        `${task} did not stop within ${timeoutMs / 1000} s (${state ?? "state unknown"}${where}); the tree goes on`,
        {
          ...details,
          hint: "a task in an uninterruptible call cannot be stopped; try again later",
        },
      );
    }
    case "interrupted":
      return interrupted();
    case "proc":
      return new CrctlError("E_KERNEL", `cannot list the children of ${task}: ${failure.code}`, {
        ...details,
        hint: "the kernel needs CONFIG_PROC_CHILDREN",
      });
  }
}

/** The child that borrows the memory of a parent, which does not stop until it gets it back. */
function vforkChild(pid: number, tid: number): number | undefined {
  const [list] = native().readTexts([`/proc/${pid}/task/${tid}/children`]);
  if (typeof list !== "string") return undefined;
  return list
    .split(" ")
    .filter((word) => word !== "")
    .map(Number)
    .find((child) => {
      try {
        return native().kcmp(pid, child, KCMP_VM, 0, 0) === 0;
      } catch {
        return false; // it has gone on
      }
    });
}

/** The error of a command that was told to end, with the exit status that shells expect. */
export function interrupted(): CrctlError {
  const signal = native().caughtSignal();
  return new CrctlError("E_INTERRUPTED", "interrupted; the tree goes on, nothing was saved", { exitCode: 128 + signal });
}

export function checkInterrupted(): void {
  if (native().caughtSignal() !== 0) throw interrupted();
}
