/** Waiting for conditions, never for time. */

import { PACE } from "./pace.js";

/** Longer than anything takes on a slow emulated machine; a condition that is met ends the wait at once. */
const DEADLINE_MS = 60_000;
/** Between two looks; nothing depends on its length. */
const PAUSE_MS = 5;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Until look() gives something other than undefined or false. `what` is said when it never does. */
export async function until<T>(
  what: string | (() => string),
  look: () => T | Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + deadlineMs * PACE;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (performance.now() > deadline) {
      throw new Error(`waited ${deadlineMs * PACE} ms for ${typeof what === "string" ? what : what()}`);
    }
    await pause(PAUSE_MS);
  }
}
