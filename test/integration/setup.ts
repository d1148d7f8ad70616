/** What surrounds every test: the kernel's log, and a machine on which no process id comes back by chance. */

import { writeFileSync } from "node:fs";
import { KernelLog } from "./lib/kmsg.js";
import { killAll } from "./lib/leftovers.js";

let log: KernelLog;

export const mochaHooks = {
  beforeAll(): void {
    // The ids of a dumped tree must still be free when it comes back.
    writeFileSync("/proc/sys/kernel/pid_max", "4194304");
    log = new KernelLog();
  },

  afterEach(): void {
    killAll();
    const complaints = log.complaints();
    if (complaints.length > 0) {
      throw new Error(`the kernel complained during this test:\n${complaints.join("\n")}`);
    }
  },

  afterAll(): void {
    log.close();
  },
};
