/** Trees of processes. */

import { describeRows } from "./lib/scenario.js";

describeRows("trees", [
  { program: "ids" },
  { program: "dead_leaders" },
  { program: "zombies" },
  { program: "stopped" },
  { program: "daemon" },
  { program: "exit_signal" },
  { program: "wait_blocked" },
  { program: "many", args: ["row", "40"] },
  { program: "many", args: ["chain", "15"] },
]);
