/** The argument of -t. */

import { CrctlError } from "../errors.js";

export function pidOf(text: string, command: string): number {
  const pid = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
  if (pid < 1 || pid > 0x7fffffff)
    throw new CrctlError("E_USAGE", `-t: not a process id: ${text}`, { hint: `see crctl ${command} --help` });
  return pid;
}
