/** Where things are; this file runs from dist/tsc/test/integration/lib. */

import { mkdtempSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export const REPO = path.resolve(import.meta.dirname, "../../../../..");
export const CRCTL = path.join(REPO, "dist/bin/crctl.js");
export const PROGRAMS = path.join(REPO, "test/programs/bin");
export const SCRIPTS = path.join(REPO, "test/programs/scripts");

/** A directory for one test, which tasks of any user can write to. It goes with the machine, so nobody removes it. */
export function newDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "crctl-test-"));
  chmodSync(directory, 0o777);
  return directory;
}
