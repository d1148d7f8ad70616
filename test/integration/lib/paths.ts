/** Where things are; this file runs from dist/tsc/test/integration/lib. */

import path from "node:path";

export const REPO = path.resolve(import.meta.dirname, "../../../../..");
export const CRCTL = path.join(REPO, "dist/bin/crctl.js");
export const PROGRAMS = path.join(REPO, "test/programs/bin");
export const SCRIPTS = path.join(REPO, "test/programs/scripts");
