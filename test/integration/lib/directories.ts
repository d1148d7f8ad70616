/** Directories of tests, which hold images: they go with the test, or the memory of the machine would be full of them. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync } from "node:fs";
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

/** What somebody who is about to end still holds or writes stays: it goes with the machine. */
export function removeDirectories(): void {
  // nothing of what is mounted there
  if (own !== undefined && own.length > 0) spawnSync("rm", ["-rf", "--one-file-system", ...own], { stdio: "ignore" });
  own = undefined;
}
