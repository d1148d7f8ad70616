/** Directories of tests, which hold images: they go with the test, or the memory of the machine would be full of them. */

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Of the test that runs. What is made before a test, for several of them, stays. */
let own: string[] | undefined;

/** A directory for one test, which tasks of any user can write to. */
export function newDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "crctl-test-"));
  chmodSync(directory, 0o777);
  own?.push(directory);
  return directory;
}

export function beginDirectories(): void {
  own = [];
}

/** Something outlives the test, and its directories with it. */
export function keepDirectories(): void {
  own = undefined;
}

export function removeDirectories(): void {
  for (const directory of own ?? []) {
    try {
      rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      // somebody who is about to end has it mounted
      if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    }
  }
  own = undefined;
}
