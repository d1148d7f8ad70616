/** The kernel's log: what it complained about since the last look. */

import { closeSync, openSync, readFileSync, readSync, constants } from "node:fs";
import path from "node:path";

/** Priorities of syslog(2): up to "warning". */
const WARNING = 4;

/**
 * What the kernel warns of in ordinary work, with the reason. Anything else at
 * warning level or worse fails the test that is running.
 */
const HARMLESS: readonly RegExp[] = [
  // sigaltstack and seccomp tests end children by SIGSEGV on purpose; these are of level "info" but may be raised
  /segfault at .* error/,
  // an emulated machine on a busy host
  /hrtimer: interrupt took/,
  // once per boot, from the test of a process that asks for more than RLIMIT_DATA
  /VmData \d+ exceed data ulimit/,
  // once per boot, from the test that reserves huge pages
  /hugepages are/,
  // the same, from the test in which it takes a right that the user has not
  /Using mlock ulimits for SHM_HUGETLB/,
];

/** Of kernels themselves: see there. */
const KNOWN_BUGS: readonly RegExp[] = readFileSync(path.resolve(import.meta.dirname, "../../../../../vagrant/known-bugs"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => new RegExp(line));

/** Without reports that known bugs cause. Processors may print theirs at the same time: then all of them together have to be known. */
export function judged(records: readonly [number, string][]): [number, string][] {
  const kept: [number, string][] = [];
  let reports: [number, string][] = [];
  let open = 0;
  for (const record of records) {
    const [, text] = record;
    if (isBeginning(record)) open++;
    if (open === 0) {
      kept.push(record);
      continue;
    }
    reports.push(record);
    if (!text.startsWith("---[ end trace ") || --open > 0) continue;
    const known = reports.filter(([, line]) => KNOWN_BUGS.some((bug) => bug.test(line)));
    if (known.length < reports.filter(isBeginning).length) kept.push(...reports);
    reports = [];
  }
  return [...kept, ...reports];
}

function isBeginning([, text]: readonly [number, string]): boolean {
  return text.includes("-[ cut here ]-");
}

export class KernelLog {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(8192);

  /** From now on: what was logged before is not this test's. */
  constructor() {
    this.#fd = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
    this.records();
  }

  /** New records: [priority, text]. */
  records(): [number, string][] {
    const found: [number, string][] = [];
    for (;;) {
      let size: number;
      try {
        // each read gives one record, see Documentation/ABI/testing/dev-kmsg
        size = readSync(this.#fd, this.#buffer);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EAGAIN") return found;
        // overwritten before it was read: what it said is lost, and may have been a complaint
        if (code === "EPIPE") throw new Error("the kernel logged more than its buffer holds", { cause: error });
        throw error;
      }
      const [header = "", text = ""] = this.#buffer.toString("utf8", 0, size).split(";", 2);
      found.push([Number(header.split(",", 1)[0]) & 7, text.split("\n", 1)[0] ?? ""]);
    }
  }

  complaints(): string[] {
    return judged(this.records())
      .filter(([priority, text]) => priority <= WARNING && !HARMLESS.some((pattern) => pattern.test(text)))
      .map(([, text]) => text);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

let opened: KernelLog | undefined;

/** The one that all tests share: who expects a complaint takes it out. */
export function kernelLog(): KernelLog {
  return (opened ??= new KernelLog());
}
