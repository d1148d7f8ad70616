/** The executor as a child: it gets the plan, and tells in lines what becomes of it (addon/executor/status.c). */

import { closeSync, existsSync, openSync, writeFileSync, writevSync } from "node:fs";
import { getSystemErrorName } from "node:util";

import { CrctlError, ioError, type Details, type ErrorCode } from "../errors.js";
import { executorFault, executorFaultPlaced, fault } from "../fault.js";
import { HUGE_OBJECT } from "../kinds/huge.js";
import { LOCK_OBJECT } from "../kinds/locks.js";
import { PTY_OBJECT } from "../kinds/pty.js";
import { HUGE_SEGMENT_OBJECT, QUEUE_OBJECT, SEMAPHORE_OBJECT, SYSV_OBJECTS } from "../kinds/sysv/objects.js";
import { native, nativePaths } from "../native.js";
import type { BuiltPlan } from "./build.js";
import { removeSocketFiles } from "./socket-files.js";
import { FAILURE_STAGE, PLAN_FD, STAGE, encodePlan, type EncodedPlan, type Subject } from "./plan.js";
import { pathOf } from "./planner.js";
import { removeMqueues } from "../kinds/mqueue.js";
import { removeObjects } from "./sysv-objects.js";

const MFD_CLOEXEC = 1;
const EPERM = 1;
const EINTR = 4;
const EAGAIN = 11;
const ENOMEM = 12;
const EACCES = 13;
const EBUSY = 16;
const EEXIST = 17;
const ENOSPC = 28;
const EADDRINUSE = 98;
const ESTALE = 116;
const EDQUOT = 122;
/** of writev(2) */
const IOV_MAX = 1024;
const SIGNAL_CHECK_MS = 200;

/** How the root task ended. */
export interface RootExit {
  code: number | undefined;
  signal: number | undefined;
}

export interface ExecutorEvents {
  /** bytes of contents that are in memory now */
  loaded(bytes: bigint): void;
}

/** A tree that runs. */
export interface RunningTree {
  /** the id that its root has */
  pid: number;
  /** Waits for the root task to end. Only if the plan does not detach. */
  wait(): RootExit;
}

/** Carries out the plan; returns when the tree runs, throws when it does not, and then nothing of it is left. */
export function execute(built: BuiltPlan, events: ExecutorEvents): RunningTree {
  native().watchSignals();
  const encoded = encodePlan({ ...built.plan, fault: executorFault() });
  if (encoded.faultPlaced) executorFaultPlaced();
  const planFd = writePlan(encoded.parts);
  const imageFd = openDirectory(built.image.dir);
  try {
    for (let attempt = 0; ; attempt++) {
      fault("restore.start");
      const run = new Run(built, encoded, events, start(planFd, imageFd, built.handedOver));
      const outcome = run.untilRunning();
      if (outcome !== "again") return outcome;
      if (attempt === 20) throw new CrctlError("E_PID_IN_USE", "the restoring process itself got an id of the tree, again and again");
      skipPids(built.plan.pids);
    }
  } finally {
    closeSync(planFd);
    closeSync(imageFd);
  }
}

function start(planFd: number, imageFd: number, handedOver: readonly number[]): { pid: number; status: number } {
  const path = nativePaths("crctl-executor").find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new CrctlError("E_ADDON", `the executor is not there; tried ${nativePaths("crctl-executor").join(", ")}`, {
      hint: "build it: npm run build:addon",
    });
  }
  const fds: number[] = [0, 1, 2];
  fds[PLAN_FD.PLAN] = planFd;
  fds[PLAN_FD.STATUS] = -1; // a pipe to us
  fds[PLAN_FD.IMAGE] = imageFd;
  fds.push(...handedOver);
  return native().startExecutor(path, fds);
}

function writePlan(parts: readonly Uint8Array[]): number {
  const fd = native().memfdCreate("crctl-plan", MFD_CLOEXEC);
  for (let i = 0; i < parts.length; i += IOV_MAX) {
    const some = parts.slice(i, i + IOV_MAX);
    const size = some.reduce((sum, part) => sum + part.length, 0);
    if (writevSync(fd, some) !== size) throw new CrctlError("E_IO", "the plan cannot be written: out of memory?");
  }
  return fd;
}

function openDirectory(dir: string): number {
  try {
    return openSync(dir, "r");
  } catch (error) {
    throw ioError(`cannot open ${dir}`, dir, error);
  }
}

/** The next process shall get an id beyond all that the tree needs. Where that is not allowed, trying again does it too. */
function skipPids(pids: readonly number[]): void {
  try {
    writeFileSync("/proc/sys/kernel/ns_last_pid", String(pids.reduce((highest, pid) => Math.max(highest, pid), 0)));
  } catch {
    // the next attempt gets the next id
  }
}

class Run {
  private text = "";
  private moduleLine: string | undefined;
  private failure: CrctlError | undefined;
  private ended = false;
  private stopSent = false;
  private cleared = false;
  private readonly made: string[] = [];
  private readonly startedNs = native().clocks().realtime;

  constructor(
    private readonly built: BuiltPlan,
    private readonly encoded: EncodedPlan,
    private readonly events: ExecutorEvents,
    private readonly child: { pid: number; status: number },
  ) {}

  /** Whatever goes wrong here, the executor must not go on. */
  untilRunning(): RunningTree | "again" {
    try {
      fault("restore.started");
      return this.follow();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  private follow(): RunningTree | "again" {
    for (;;) {
      const line = this.nextLine(true);
      if (line === undefined) {
        const error = this.reap(this.failure);
        // who would have done it was killed
        if (!this.cleared) {
          removeSocketFiles(this.built.plan.create, this.startedNs);
          removeObjects(this.made);
          removeMqueues(this.made, this.built.plan.create);
        }
        throw error;
      }
      const [word, ...rest] = line.split(" ");
      switch (word) {
        case "running":
          fault("restore.running");
          if (this.built.plan.detach) this.reap(undefined);
          else native().passSignals(Number(rest[0]), this.built.sharesGroup);
          return { pid: Number(rest[0]), wait: () => this.wait() };
        case "again":
          this.reap(undefined);
          return "again";
        case "made":
          this.made.push(rest.join(" "));
          break;
        case "filled":
          this.events.loaded(BigInt(rest[0] ?? 0));
          break;
        case "loaded":
          this.events.loaded(this.built.pageBytes.get(Number(rest[0])) ?? 0n);
          break;
        case "module":
          this.moduleLine ??= rest.join(" ");
          break;
        case "cleared":
          this.cleared = true;
          break;
        case "error":
          this.failure = this.explain(rest);
          break;
      }
    }
  }

  /** Has it put everything right, and waits for it. */
  private stop(): void {
    if (this.ended) return;
    process.kill(this.child.pid, "SIGTERM");
    this.reap(undefined);
  }

  private wait(): RootExit {
    for (;;) {
      const line = this.nextLine(false);
      if (line === undefined) {
        const status = native().waitChild(this.child.pid);
        throw new CrctlError("E_RESTORE_FAILED", `the process that waits for the tree ended ${describeStatus(status)}; the tree runs on`);
      }
      if (!line.startsWith("exit ")) continue;
      native().waitChild(this.child.pid);
      const status = Number(line.slice(5));
      const signal = status & 0x7f;
      return signal === 0 ? { code: (status >> 8) & 0xff, signal: undefined } : { code: undefined, signal };
    }
  }

  /** Undefined: the executor has closed its end. */
  private nextLine(interruptible: boolean): string | undefined {
    for (;;) {
      const end = this.text.indexOf("\n");
      if (end >= 0) {
        const line = this.text.slice(0, end);
        this.text = this.text.slice(end + 1);
        return line;
      }
      const more = native().readStatus(this.child.status, interruptible ? SIGNAL_CHECK_MS : -1);
      if (more === undefined) return undefined;
      this.text += more;
      // the executor puts things right and says "error"
      if (interruptible && !this.stopSent && native().caughtSignal() !== 0) {
        this.stopSent = true;
        process.kill(this.child.pid, "SIGTERM");
      }
    }
  }

  /** The child's end; what to throw if it did not say why. */
  private reap(failure: CrctlError | undefined): CrctlError {
    if (!this.ended) closeSync(this.child.status);
    this.ended = true;
    const status = native().waitChild(this.child.pid);
    return (
      failure ?? new CrctlError("E_RESTORE_FAILED", `the executor ended ${describeStatus(status)}, and with it all that it had started`)
    );
  }

  /** stage, pid, errno, index of the operation or -1, text */
  private explain([stageText, pidText, errnoText, opText, ...text]: readonly string[]): CrctlError {
    const signal = native().caughtSignal();
    const [stage, errno, op] = [Number(stageText), Number(errnoText), Number(opText)];
    if (signal !== 0 && errno === EINTR) {
      return new CrctlError("E_INTERRUPTED", "interrupted; nothing of the tree is left", { exitCode: 128 + signal });
    }
    const subject: Subject = this.encoded.subjects[op] ?? {};
    const details = detailsOf(subject, this.taskOf(Number(pidText)));
    if (this.moduleLine !== undefined) return this.explainModule(this.moduleLine, details);
    const code = codeOf(stage, errno, subject);
    return new CrctlError(
      code,
      `the restore failed while ${describeStage(stage)}: ${text.join(" ")}: ${errnoName(errno)}; nothing of the tree is left`,
      code === "E_NO_SPACE" ? { ...details, hint: spaceHint(subject) } : details,
    );
  }

  /** pid, errno, stage, hex address, text: what the module said, the reason for whatever else is told */
  private explainModule(line: string, about: Details): CrctlError {
    const [pid, errno, stage, address, ...text] = line.split(" ");
    const value = /^(?:0x)?[0-9a-f]+$/.test(address ?? "") ? BigInt(`0x${(address ?? "0").replace(/^0x/, "")}`) : 0n;
    const error = Math.abs(Number(errno));
    const locking = stage === LOCK_STAGE;
    const where = locking ? this.fileOf(Number(pid), Number(value)) : value === 0n ? {} : { address: value };
    return new CrctlError(
      moduleCode(stage, error),
      `the module could not load an image (${stage ?? ""}): ${text.join(" ")}: ${errnoName(error)}; nothing of the tree is left`,
      { ...about, ...this.taskOf(Number(pid)), ...where },
    );
  }

  /** A file that the module could not lock for a task. */
  private fileOf(pid: number, fd: number): Details {
    const file = this.built.image.tasks.find((task) => task.pids[0] === pid)?.descriptors.find((descriptor) => descriptor.fd === fd)?.file;
    const path = file === undefined ? undefined : pathOf(this.built.image.files[file], this.built.image);
    return { object: LOCK_OBJECT, fd, ...(path === undefined ? {} : { path }) };
  }

  private taskOf(pid: number): { pid?: number; comm?: string } {
    if (pid === 0) return {};
    const process = this.built.plan.processes.find((candidate) => candidate.pid === pid);
    return process === undefined ? { pid } : { pid, comm: process.comm };
  }
}

function detailsOf(subject: Subject, task: { pid?: number; comm?: string }): Details {
  return { ...task, ...subject };
}

/** What fcntl(2) and flock(2) say of a lock that somebody else has. */
function isTaken(errno: number): boolean {
  return errno === EAGAIN || errno === EACCES;
}

/** What the module calls what it was about, where that matters. */
const LOCK_STAGE = "locks";
const HUGE_STAGE = "hugepages";

function moduleCode(stage: string | undefined, errno: number): ErrorCode {
  if (errno === EPERM) return "E_PERMISSION";
  if (stage === LOCK_STAGE && isTaken(errno)) return "E_CONFLICT";
  if (stage === HUGE_STAGE && errno === ENOMEM) return "E_NO_HUGE_PAGES";
  return "E_RESTORE_FAILED";
}

function codeOf(stage: number, errno: number, { object }: Subject): ErrorCode {
  if (errno === ENOMEM && (object === HUGE_OBJECT || object === HUGE_SEGMENT_OBJECT)) return "E_NO_HUGE_PAGES";
  if (object === LOCK_OBJECT && isTaken(errno)) return "E_CONFLICT";
  if (stage === STAGE.FORK && errno === EEXIST) return "E_PID_IN_USE";
  if (errno === ESTALE) return "E_FILE_CHANGED";
  if (errno === EPERM || errno === EACCES) return "E_PERMISSION";
  // an address, a terminal's number, a System V key or id that somebody else has
  if (errno === EADDRINUSE || (errno === EBUSY && object === PTY_OBJECT)) return "E_CONFLICT";
  if ((errno === EBUSY || errno === EEXIST) && SYSV_OBJECTS.includes(object)) return "E_CONFLICT";
  if (errno === ENOSPC || errno === EDQUOT) return "E_NO_SPACE";
  return "E_RESTORE_FAILED";
}

function spaceHint({ object }: Subject): string {
  if (object === SEMAPHORE_OBJECT) return "remove sets that nobody needs, or raise SEMMNS or SEMMNI in kernel.sem";
  if (object === QUEUE_OBJECT) return "remove queues that nobody needs, or raise kernel.msgmni";
  if (SYSV_OBJECTS.includes(object)) return "remove segments that nobody needs, or raise kernel.shmmni or kernel.shmall";
  return "free some space on the file system on which the file was";
}

function describeStage(stage: number): string {
  switch (stage) {
    case FAILURE_STAGE.PLAN:
      return "the plan was read";
    case FAILURE_STAGE.CREATE:
      return "objects were opened";
    case STAGE.FORK:
      return "tasks were forked";
    case STAGE.GROUP:
    case STAGE.MOVE:
      return "process groups were formed";
    case STAGE.FINAL:
      return "a task took up its state";
    case FAILURE_STAGE.LOAD:
      return "images were loaded";
    default:
      return "attributes of tasks were set";
  }
}

function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `error ${errno}`;
  }
}

function describeStatus(status: number): string {
  const signal = status & 0x7f;
  return signal === 0 ? `with status ${(status >> 8) & 0xff}` : `by signal ${signal}`;
}
