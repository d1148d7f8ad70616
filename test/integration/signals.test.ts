/** Signals: dispositions, masks, stacks, what is pending, who waits. */

import { describeRows } from "./lib/scenario.js";

describeRows("signals", [
  { program: "sig_handlers" },
  { program: "sigaltstack" },
  { program: "in_handler" },
  { program: "sigmask" },
  { program: "sigpending" },
  { program: "sig_blocked" },
]);
