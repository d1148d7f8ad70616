/** Images of tasks: what /proc/<pid>/dump reads as. */

import { closeSync, constants, openSync, readSync, statfsSync } from "node:fs";

import { CrctlError, ioError, isSystemError } from "../errors.js";
import { fault } from "../fault.js";
import { CoreHead, PREFIX_SIZE, headSize } from "../image/elfcore.js";
import { coreName } from "../image/names.js";
import type { ImageWriter } from "../image/write.js";
import { exeOf, mappingOf, type Mapping } from "../kinds/memory.js";
import { native, type FrozenTask } from "../native.js";
import { checkInterrupted } from "./freeze.js";
import type { Progress } from "./options.js";
import type { Problems } from "./problems.js";
import { REFUSALS } from "./refusals.js";
import { statusNumber } from "../proc/status.js";
import { viaOf } from "../proc/via.js";
import { died, type TaskState } from "./tasks.js";

/** Most heads fit: then one read does. */
const FIRST_READ = 128 << 10;

/** How much is copied between two looks at signals and progress. */
const CHUNK = 4n << 20n;

export class Core {
  readonly task: TaskState;
  readonly name: string;
  readonly head: CoreHead;
  readonly headBytes: Uint8Array;
  /** the kernel would not save it: there are no pages, and maybe no notes */
  refused = false;
  /** whose core has pages of this task, too */
  readonly sharesWith: number | undefined;
  /** of the open dump; -1 when it is closed */
  fd: number;

  private constructor(task: TaskState, fd: number, sharesWith: number | undefined, headBytes: Uint8Array, head: CoreHead) {
    this.task = task;
    this.name = coreName(task.frozen.pid);
    this.fd = fd;
    this.sharesWith = sharesWith;
    this.headBytes = headBytes;
    this.head = head;
  }

  /** Everything but the pages is collected here. */
  static open(task: TaskState, relatives: readonly Core[], scratch: Uint8Array): Core {
    const path = `/proc/${viaOf(task.frozen)}/dump`;
    let fd: number | undefined;
    try {
      fd = openSync(path, constants.O_RDONLY);
      fault("dump.core");
      const sharesWith = shareWith(fd, relatives);
      let bytes = scratch.subarray(0, readSync(fd, scratch, 0, scratch.length, 0));
      const size = bytes.length < PREFIX_SIZE ? bytes.length : headSize(bytes, path);
      if (size <= bytes.length) {
        bytes = Uint8Array.from(bytes.subarray(0, size));
      } else {
        bytes = Buffer.allocUnsafe(size);
        for (let done = 0; done < size;) {
          const n = readSync(fd, bytes, done, size - done, done);
          if (n === 0) throw died(task.frozen.pid);
          done += n;
        }
      }
      return new Core(task, fd, sharesWith, bytes, new CoreHead(bytes, path));
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      throw readError(task, error);
    }
  }

  /** The mapped files, the program among them. */
  mappings(): Mapping[] {
    const { frozen } = this.task;
    const { comm } = this.task.stat;
    try {
      const mappings = this.head.fileMappings().map((file) => mappingOf(frozen, comm, file));
      mappings.push(exeOf(frozen, comm, this.head.exe()));
      return mappings;
    } catch (error) {
      throw readError(this.task, error);
    }
  }

  /** What the kernel would not save becomes problems. */
  refusals(problems: Problems): void {
    const { frozen, stat } = this.task;
    for (const refusal of this.head.refusals()) {
      this.refused = true;
      const known = REFUSALS.get(refusal.code);
      problems.add({
        pid: frozen.pid,
        comm: stat.comm,
        ...(refusal.tid > 0 ? { tid: refusal.tid } : {}),
        ...(refusal.addr === 0n ? {} : { address: refusal.addr }),
        object: known?.object ?? `refusal ${refusal.code}`,
        why: refusal.text === "" ? "the kernel module refuses it" : refusal.text,
        ...(known === undefined ? {} : { hint: known.hint, ...(known.transient ? { transient: true } : {}) }),
      });
    }
  }

  /** The whole file. Reading on to its end is what proves that the task has not run meanwhile. */
  copy(writer: ImageWriter, progress: Progress): void {
    const to = writer.create(this.name);
    writer.write(this.name, to, this.headBytes);
    fault("dump.head");
    let offset = BigInt(this.headBytes.length);
    try {
      for (;;) {
        checkInterrupted();
        const copied = native().copyRange(this.fd, to, offset, CHUNK);
        if (copied === 0n) break;
        offset += copied;
        fault("dump.pages");
        progress.add(copied);
      }
    } catch (error) {
      if (isSystemError(error) && (error.code === "ESRCH" || error.code === "EBUSY")) throw readError(this.task, error);
      throw ioError(`cannot copy the memory of task ${this.task.frozen.pid} (${this.task.stat.comm})`, `${writer.dir}/${this.name}`, error);
    }
    if (offset !== this.head.fileBytes) {
      throw new CrctlError("E_KERNEL", `/proc/${this.task.frozen.pid}/dump had ${offset} bytes and said ${this.head.fileBytes}`, {
        pid: this.task.frozen.pid,
      });
    }
    writer.end(this.name, to, offset);
    this.close();
  }

  /** The open /proc/<pid>/dump, until it has been copied. */
  get dump(): number {
    return this.fd;
  }

  /** How many pages of private memory are this task's, too. */
  countShared(dump: number): bigint {
    return native().countShared(dump, this.fd);
  }

  /** Leaves those out there, and says how many. */
  leaveOut(dump: number): bigint {
    return native().leaveOut(dump, this.fd);
  }

  close(): void {
    if (this.fd < 0) return;
    closeSync(this.fd);
    this.fd = -1;
  }
}

/** How much a head takes that is not large. */
export const HEAD_BYTES = 64n << 10n;

/**
 * Room for the images of tasks that still run, as far as can be told from what is resident: what need not be done while
 * they are frozen. VmSwap and RssAnon: proc(5), /proc/<pid>/status.
 */
export function reserveCores(tasks: readonly FrozenTask[], writer: ImageWriter): void {
  const sizes = new Map<number, bigint>();
  native()
    .readTexts(tasks.map((task) => `/proc/${viaOf(task)}/status`))
    .forEach((status, i) => {
      if (typeof status !== "string") return; // it has ended
      const kib = ["RssAnon", "VmSwap"].reduce((sum, name) => sum + (statusNumber(status, name) ?? 0), 0);
      if (kib > 0) sizes.set(tasks[i]?.pid ?? 0, HEAD_BYTES + BigInt(kib) * 1024n);
    });
  // Pages of zeroes are resident, and not in an image: too much is asked for, and where room is short that would matter.
  const { bavail, bsize } = statfsSync(writer.dir, { bigint: true });
  const all = [...sizes.values()].reduce((sum, size) => sum + size, 0n);
  if (all > (bavail * bsize) / 2n) return;
  for (const [pid, size] of sizes) writer.reserve(coreName(pid), size);
}

/** What was shared at a fork is left out where most of it is in the core of a relative: its pid. */
function shareWith(dump: number, relatives: readonly Core[]): number | undefined {
  let [best] = relatives;
  if (relatives.length > 1) {
    // each page is looked at again for that: only where there is a choice
    let most = 0n;
    best = undefined;
    for (const relative of relatives) {
      const pages = relative.countShared(dump);
      if (pages > most) [best, most] = [relative, pages];
    }
  }
  return best !== undefined && best.leaveOut(dump) > 0n ? best.task.frozen.pid : undefined;
}

/** Opens the dumps of all live tasks, parents first. */
export function openCores(tasks: readonly TaskState[]): Core[] {
  const scratch = Buffer.allocUnsafe(FIRST_READ);
  const cores: Core[] = [];
  const byPid = new Map<number, Core>();
  const eldest = new Map<number, Core>();
  try {
    for (const task of tasks) {
      const { pid, ppid } = task.frozen;
      // of what the parent has written to since, its children may still have the old pages
      const relatives = [byPid.get(ppid), eldest.get(ppid)].filter((core) => core !== undefined);
      const core = Core.open(task, relatives, scratch);
      cores.push(core);
      byPid.set(pid, core);
      if (!eldest.has(ppid)) eldest.set(ppid, core);
    }
  } catch (error) {
    for (const core of cores) core.close();
    throw error;
  }
  return cores;
}

function readError(task: TaskState, error: unknown): unknown {
  if (error instanceof CrctlError && (error.code === "E_IMAGE_DAMAGED" || error.code === "E_IMAGE_VERSION")) {
    return new CrctlError("E_KERNEL", `the kernel module does not speak as this crctl does: ${error.message}`, {
      hint: "load the module that was built with this crctl",
      cause: error,
    });
  }
  if (!isSystemError(error)) return error;
  const { pid } = task.frozen;
  const details = { pid, comm: task.stat.comm, cause: error };
  switch (error.code) {
    case "ESRCH":
    case "ENOENT":
      return died(pid, error);
    case "EBUSY":
      return new CrctlError("E_FREEZE", `task ${pid} (${task.stat.comm}) was set running during the dump`, details);
    case "EACCES":
    case "EPERM":
      return new CrctlError("E_PERMISSION", `no permission to dump task ${pid} (${task.stat.comm})`, details);
    default:
      return new CrctlError("E_KERNEL", `cannot read /proc/${pid}/dump: ${error.code}`, details);
  }
}
