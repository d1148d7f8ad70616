/** NUMA memory policies name nodes, of which another machine may have fewer. Programs run as well without them. */

import { readFileSync } from "node:fs";

import type { CoreHead } from "../image/elfcore.js";
import { POLICY, type MemPolicyRecord } from "../image/layout.js";
import { statusField } from "../proc/status.js";

/** The module leaves nodes out by itself: this tells of it. */
export function checkPolicies(cores: readonly CoreHead[], context: { note(text: string): void }): void {
  const policies = cores.flatMap((core) => core.policies());
  if (policies.length === 0) return;
  const text = missingNodes(policies, ownNodes());
  if (text !== undefined) context.note(text);
}

/** What is to be said of policies where there are these nodes. */
export function missingNodes(policies: readonly MemPolicyRecord[], own: bigint): string | undefined {
  let missing = 0n;
  let touched = 0;
  let empty = 0;
  for (const { mode, nodes } of policies) {
    // numbers among the nodes that there are
    if ((mode & POLICY.RELATIVE_NODES) !== 0) continue;
    const wanted = nodes.reduce((mask, word, i) => mask | (word << BigInt(64 * i)), 0n);
    if ((wanted & ~own) === 0n) continue;
    missing |= wanted & ~own;
    touched++;
    if ((wanted & own) === 0n) empty++;
  }
  if (touched === 0) return undefined;
  const names = rangesOf(missing);
  const plural = /[-,]/.test(names);
  return (
    `NUMA ${plural ? `nodes ${names}, which memory policies of the tree name, are` : `node ${names}, which memory policies of the tree name, is`} ` +
    `not here: left out of ${touched} of them${empty === 0 ? "" : `, ${empty === touched ? "" : `${empty} `}without another node: the default policy takes their place`}`
  );
}

/** Nodes with memory that this process, and so the tree, may use. */
function ownNodes(): bigint {
  // a kernel without CONFIG_CPUSETS has no such field
  const allowed = statusField(readFileSync("/proc/self/status", "latin1"), "Mems_allowed");
  try {
    const all = parseRanges(readFileSync("/sys/devices/system/node/has_memory", "latin1"));
    return allowed === undefined ? all : all & parseMask(allowed);
  } catch {
    // a kernel without CONFIG_NUMA
    return 0n;
  }
}

/** "00000000,00000003" */
export function parseMask(text: string): bigint {
  return BigInt(`0x0${text.trim().replaceAll(",", "")}`);
}

/** "0-1,4" */
export function parseRanges(text: string): bigint {
  let mask = 0n;
  for (const range of text.trim().split(",").filter(Boolean)) {
    const [first = 0, last = first] = range.split("-").map(Number);
    for (let node = first; node <= last; node++) mask |= 1n << BigInt(node);
  }
  return mask;
}

export function rangesOf(mask: bigint): string {
  const ranges: string[] = [];
  for (let node = 0; mask >> BigInt(node) !== 0n; node++) {
    if (((mask >> BigInt(node)) & 1n) === 0n) continue;
    const first = node;
    while (((mask >> BigInt(node + 1)) & 1n) !== 0n) node++;
    ranges.push(first === node ? String(first) : `${first}-${node}`);
  }
  return ranges.join(",");
}
