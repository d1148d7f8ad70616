/** Small programs that stand beside a test's tree. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { PROGRAMS } from "./paths.js";

/**
 * Somebody who uses something from the moment that he prints anything until he is let go; then another one, whose first thread
 * has exited: /proc/<pid> shows nothing of what the others have.
 */
export async function withHelpers(program: string, args: readonly (string | number)[], act: (pid: number) => Promise<void>): Promise<void> {
  await withHelper(program, args, act);
  await withHelper(program, args, act, "exits");
}

/** `first`: what becomes of his first thread. */
export async function withHelper(
  program: string,
  args: readonly (string | number)[],
  act: (pid: number) => Promise<void>,
  first: "stays" | "exits" = "stays",
): Promise<void> {
  const child = spawn(path.join(PROGRAMS, program), args.map(String), {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, FIRST_THREAD: first },
  });
  const ended = once(child, "exit");
  try {
    await once(child.stdout, "data");
    await act(child.pid ?? 0);
  } finally {
    child.stdin.end();
    child.kill();
    await ended;
  }
}
