/** Effective capabilities of this process, capabilities(7): CapEff of /proc/self/status. */

import { readFileSync } from "node:fs";

import { statusField } from "./status.js";

export const CAP = {
  DAC_READ_SEARCH: 2n,
  SETGID: 6n,
  SETUID: 7n,
  SETPCAP: 8n,
  NET_ADMIN: 12n,
  NET_RAW: 13n,
  SYS_PTRACE: 19n,
  SYS_ADMIN: 21n,
  SYS_RESOURCE: 24n,
  SYS_TIME: 25n,
  CHECKPOINT_RESTORE: 40n,
} as const;

let own: bigint | undefined;

export function hasCapability(capability: bigint): boolean {
  own ??= BigInt(`0x${statusField(readFileSync("/proc/self/status", "latin1"), "CapEff") ?? "0"}`);
  return (own & (1n << capability)) !== 0n;
}

/** What the kernel asks of those who follow links to mapped files, or choose the id of a new process. */
export function mayCheckpoint(): boolean {
  return hasCapability(CAP.CHECKPOINT_RESTORE) || hasCapability(CAP.SYS_ADMIN);
}
