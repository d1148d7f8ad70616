/** What a child prints. */

import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { until } from "./wait.js";

/** Waits until it has printed that line, from now on. */
export async function said(child: ChildProcessWithoutNullStreams, line: string): Promise<void> {
  let text = "";
  child.stdout.setEncoding("utf8");
  const listen = (more: string): void => void (text += more);
  child.stdout.on("data", listen);
  await until(
    () => `"${line}", got "${text}"`,
    () => text.split("\n").includes(line),
  );
  child.stdout.off("data", listen);
}
