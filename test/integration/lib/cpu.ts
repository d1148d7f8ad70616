/** What the processor has, as the kernel lets programs use it. */

import { readFileSync } from "node:fs";

/** pkeys(7) */
export const HAS_PROTECTION_KEYS = /^flags\t.* ospke\b/m.test(readFileSync("/proc/cpuinfo", "utf8"));
