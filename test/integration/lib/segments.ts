/** System V shared memory, seen and handled from outside of a test's tree. */

import { expect } from "chai";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describeOutcome, run } from "./crctl.js";
import { PROGRAMS } from "./paths.js";

/** A tool of the tests, and what it prints. */
export async function segment(...args: readonly (string | number)[]): Promise<string> {
  const outcome = await run(path.join(PROGRAMS, "segment"), args.map(String));
  expect(outcome.status, describeOutcome(outcome)).to.equal(0);
  return outcome.stdout.trim();
}

interface Found {
  key: number;
  id: number;
  attached: number;
}

/** proc_sysvipc(5) */
export function segments(): Found[] {
  return readFileSync("/proc/sysvipc/shm", "utf8")
    .split("\n")
    .slice(1, -1)
    .map((line) => {
      const [key, id, , , , , attached] = line.trim().split(/\s+/).map(Number);
      return { key: key ?? 0, id: id ?? -1, attached: attached ?? 0 };
    });
}
