/** What this machine must have to run an image: the module, the rights, the CPU's register states, the kernel's vdso. */

import { closeSync, openSync, readFileSync, readSync } from "node:fs";

import { moduleProblem } from "../check/module.js";
import type { CoreHead } from "../image/elfcore.js";
import type { Problem } from "../errors.js";
import { native } from "../native.js";
import { mayCheckpoint } from "../proc/capabilities.js";

const AT_SYSINFO_EHDR = 33n;

/** Bits of XCR0 that have a name people know; Intel SDM volume 1, 13.1. */
const XFEATURES: Readonly<Record<number, string>> = {
  0: "x87",
  1: "SSE",
  2: "AVX",
  3: "MPX bounds",
  4: "MPX configuration",
  5: "AVX-512 masks",
  6: "AVX-512 (upper halves)",
  7: "AVX-512 (upper registers)",
  9: "protection keys",
  17: "AMX configuration",
  18: "AMX tiles",
};

export function checkModule(problems: Problem[]): void {
  const problem = moduleProblem();
  if (problem === undefined) return;
  problems.push({
    code: "E_NO_MODULE",
    object: "kernel module",
    why: `this kernel cannot execute images: ${problem.why}`,
    hint: problem.hint,
  });
}

export function checkRights(newPids: boolean, problems: Problem[]): void {
  if (newPids || mayCheckpoint()) return;
  problems.push({
    code: "E_PERMISSION",
    object: "old process ids",
    why: "the kernel does not let you choose process ids",
    hint: "use --new-pids, or run crctl restore as root (or with CAP_CHECKPOINT_RESTORE)",
  });
}

export function checkCpu(used: bigint, problems: Problem[]): void {
  const missing = used & ~native().xfeatures();
  if (missing === 0n) return;
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) if (((missing >> BigInt(bit)) & 1n) !== 0n) names.push(XFEATURES[bit] ?? `state ${bit}`);
  problems.push({
    code: "E_CPU",
    object: "CPU",
    why: `the tree uses registers that this CPU does not have: ${names.join(", ")}`,
    hint: "restore on a CPU with these features",
  });
}

/**
 * Code of the vdso is mapped, not saved, and programs remember where its functions are: only a kernel with the very
 * same one will do.
 */
export class VdsoCheck {
  private own: Uint8Array | undefined;
  private same: Uint8Array | undefined;

  /** Whether the vdso of that task is this kernel's. */
  matches(core: CoreHead): boolean {
    const wanted = core.vdso();
    if (wanted.length === 0 || (this.same !== undefined && Buffer.compare(this.same, wanted) === 0)) return true;
    this.own ??= readOwnVdso(wanted.length);
    if (Buffer.compare(this.own, wanted) !== 0) return false;
    this.same = wanted;
    return true;
  }
}

/** As many bytes as asked for, fewer if it has fewer. */
function readOwnVdso(length: number): Uint8Array {
  const auxv = readFileSync("/proc/self/auxv");
  let address: bigint | undefined;
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === AT_SYSINFO_EHDR) address = auxv.readBigUInt64LE(at + 8);
  }
  if (address === undefined) return new Uint8Array();
  const bytes = Buffer.alloc(length);
  const fd = openSync("/proc/self/mem", "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, length, address));
  } catch {
    return new Uint8Array();
  } finally {
    closeSync(fd);
  }
}
