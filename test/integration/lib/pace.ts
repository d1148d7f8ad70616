/** How much slower than others the machine is by its own doing. */

import { release } from "node:os";

/** A kernel that checks each access to memory and each lock (vagrant/debug.config). */
export const SANITIZED = release().endsWith("-crctl-debug");

/** Factor on every deadline. */
export const PACE = SANITIZED ? 6 : 1;
