/** Threads. */

import { describeRows } from "./lib/scenario.js";

describeRows("threads", [
  { program: "threads" },
  { program: "threads_busy" },
  { program: "thread_ends" },
  { program: "leader_gone" },
  { program: "robust" },
  { program: "pi_mutex" },
  { program: "thread_settings" },
]);
