/** Memory: each kind of mapping, its content and its properties. */

import { HAS_PROTECTION_KEYS } from "./lib/cpu.js";
import { describeRows } from "./lib/scenario.js";

describeRows("memory", [
  { program: "heap" },
  { program: "stack" },
  { program: "prot_none" },
  { program: "readonly" },
  { program: "private_file" },
  { program: "shared_file" },
  { program: "shared_anon" },
  { program: "shared_live" },
  { program: "memfd" },
  { program: "sysv_shm" },
  { program: "sysv_twin" },
  { program: "dev_zero" },
  { program: "cow_fork" },
  { program: "cow_shared" },
  { program: "cow_shared", args: ["siblings"] },
  { program: "droppable", args: ["emptied"] },
  { program: "advice" },
  ...(HAS_PROTECTION_KEYS ? [{ program: "pkeys" }] : []),
  { program: "mlockall" },
  { program: "mlockall", args: ["onfault"] },
  { program: "sparse" },
  { program: "many_vmas" },
  { program: "identity" },
  { program: "large", args: ["64"] },
  // every second page of 544 MiB: 69,632 runs, more than the 65,535 that e_phnum can count
  { program: "large", args: ["544", "alternate"], title: "more program headers than e_phnum can count", alone: true, timeoutMs: 600_000 },
]);
