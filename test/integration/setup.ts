/** What surrounds every test: the kernel's log, and a machine on which no process id comes back by chance. */

import { writeFileSync } from "node:fs";
import { beginDirectories, removeDirectories } from "./lib/directories.js";
import { kernelLog, type KernelLog } from "./lib/kmsg.js";
import { killAll } from "./lib/leftovers.js";
import { PACE } from "./lib/pace.js";

let log: KernelLog;

/** What the kernel complained about fails the test during which it did. */
function noComplaints(cause?: unknown): void {
  const complaints = log.complaints();
  if (complaints.length === 0) return;
  const message = `the kernel complained during this test:\n${complaints.join("\n")}`;
  if (!(cause instanceof Error)) throw new Error(message, { cause });
  // the error itself, which may be one that shows what differs
  cause.message += `\n${message}`;
  throw cause;
}

export const mochaHooks = {
  beforeAll(): void {
    // The ids of a dumped tree must still be free when it comes back.
    writeFileSync("/proc/sys/kernel/pid_max", "4194304");
    log = kernelLog();
  },

  /** The test itself is what must fail: a hook that fails would end all tests. */
  beforeEach(this: Mocha.Context): void {
    const test = this.currentTest;
    const act = test?.fn as ((this: Mocha.Context) => unknown) | undefined;
    if (test === undefined || act === undefined) return;
    test.timeout(test.timeout() * PACE);
    test.fn = async function (this: Mocha.Context): Promise<void> {
      beginDirectories();
      try {
        await act.call(this);
      } catch (error) {
        noComplaints(error);
        throw error;
      }
      noComplaints();
    };
  },

  afterEach(): void {
    killAll();
    removeDirectories();
  },

  afterAll(): void {
    log.close();
  },
};
