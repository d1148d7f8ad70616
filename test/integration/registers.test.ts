/** Registers, thread-local storage and [vdso]. */

import { describeRows } from "./lib/scenario.js";

describeRows("registers", [{ program: "regs_general" }, { program: "regs_vector" }, { program: "tls" }, { program: "vdso" }]);
