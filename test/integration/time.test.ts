/** Calls with a timeout, timers, and what a thread has registered with the kernel for its speed. */

import { PACE } from "./lib/pace.js";
import { describeRows } from "./lib/scenario.js";

describeRows("time", [
  { program: "itimers" },
  { program: "alarm_fires" },
  { program: "posix_timers" },
  { program: "rseq" },
  { program: "rseq_section" },
  { program: "membarrier" },
  // long enough not to be over before the second dump, on a slow machine too; the last, as the others are done meanwhile
  { program: "sleeps", args: [String(150 * PACE)], title: "sleeps go on for the time that was left", once: true, finishMs: 200_000 },
]);
