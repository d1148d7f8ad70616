/** The kernel's log: what it complained about since the last look. */

import { closeSync, openSync, readSync, constants } from "node:fs";

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
];

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
    return this.records()
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
