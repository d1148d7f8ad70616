/**
 * CLOCK_MONOTONIC and CLOCK_BOOTTIME of the tree go on from where they were, on a machine that was booted later too: there
 * it gets a time namespace. Where the clocks have gone on by themselves it stays in ours.
 */

import type { Inventory } from "../image/schema.js";
import { clockOffsets, hasTimeNamespaces, machineClocks, mayMakeTimeNamespaces, sameOffsets, type ClockOffsets } from "../proc/clocks.js";
import type { RestoreContext } from "./context.js";
import { OP } from "./plan.js";

const CLOCKS = ["monotonic", "boottime"] as const;
/** Of a clock's jump, so that the time between two readings of ours is none. */
const SECOND = 1_000_000_000n;

/** `force`: clocks that run backwards are taken. */
export function planClocks(inventory: Inventory, force: boolean, context: RestoreContext): void {
  const { clocks, timeOffsets } = inventory;
  const own = clockOffsets("self");
  const machine = machineClocks();
  const wanted: ClockOffsets = context.sameBoot
    ? timeOffsets
    : { monotonic: clocks.monotonic - machine.monotonic, boottime: clocks.boottime - machine.boottime };
  if (sameOffsets(wanted, own)) return;
  if (hasTimeNamespaces() && mayMakeTimeNamespaces()) {
    context.create({
      type: OP.CLOCKS,
      a: BigInt.asUintN(64, wanted.monotonic),
      b: BigInt.asUintN(64, wanted.boottime),
      subject: { object: "time namespace" },
    });
    return;
  }
  const takes = hasTimeNamespaces()
    ? "a time namespace takes CAP_SYS_ADMIN and CAP_SYS_TIME"
    : "this kernel has no time namespaces (CONFIG_TIME_NS)";
  for (const clock of CLOCKS) {
    const name = `CLOCK_${clock.toUpperCase()}`;
    const jump = machine[clock] + own[clock] - clocks[clock];
    if (jump >= 0n || force) {
      if (jump < 0n || jump > SECOND) context.note(`${name} of the tree jumps by ${jump / SECOND} s: ${takes}`);
      continue;
    }
    context.refuse({
      code: hasTimeNamespaces() ? "E_PERMISSION" : "E_KERNEL",
      object: "clock",
      why: `${name} of the tree would run backwards by ${-jump / SECOND} s: ${takes}`,
      hint: "run crctl restore as root, or take that with --force",
    });
  }
}
