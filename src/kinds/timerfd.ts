/** Descriptors of timerfd_create(2). */

import type { TimerFile } from "../image/schema.js";
import { native } from "../native.js";
import { extraField, parseFdInfo } from "../proc/fdinfo.js";
import type { RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { anonymousName, refuseInfo } from "./anonymous.js";
import { placeMade } from "./open.js";
import { withDuplicate } from "./duplicates.js";
import { baseOf, infoPathOf, type DumpHalf } from "./types.js";

/** settime flags, timerfd_settime(2) */
const TFD_TIMER_ABSTIME = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;

const CLOCK_REALTIME = 0;
const CLOCK_REALTIME_ALARM = 8;

// ---- dump ----

/** "(seconds, nanoseconds)" */
function timeOf(text: string | undefined): bigint | undefined {
  const match = /^\((\d+), (\d+)\)$/.exec(text ?? "");
  return match === null ? undefined : BigInt(match[1] ?? 0) * 1_000_000_000n + BigInt(match[2] ?? 0);
}

export const timerfdDump: DumpHalf = {
  claims: (found) => anonymousName(found) === "[timerfd]",

  dump(found, context): TimerFile | undefined {
    // one that has expired counts and goes on only when it is asked for
    if (extraField(found.info, "ticks") !== "0") withDuplicate(found, (fd) => native().askTimer(fd));
    // a timer runs on while the tree is frozen: what is left of it is read next to the clock
    const [text] = native().readTexts([infoPathOf(found)]);
    const { realtime } = native().clocks();
    const info = typeof text === "string" ? parseFdInfo(text) : found.info;
    const clock = extraField(info, "clockid");
    const ticks = extraField(info, "ticks");
    const settime = extraField(info, "settime flags");
    const remaining = timeOf(extraField(info, "it_value"));
    const intervalNs = timeOf(extraField(info, "it_interval"));
    if (clock === undefined || ticks === undefined || settime === undefined || remaining === undefined || intervalNs === undefined) {
      refuseInfo(found, "timerfd", context);
      return;
    }
    // it has expired just now, since it was asked
    const left = remaining === 0n && ticks !== "0" ? intervalNs : remaining;
    const flags = parseInt(settime, 8);
    // a wall clock's time of day stays that time; everything else keeps what was left
    const wall = [CLOCK_REALTIME, CLOCK_REALTIME_ALARM].includes(Number(clock)) && (flags & TFD_TIMER_ABSTIME) !== 0;
    return {
      ...baseOf(found),
      kind: "timerfd",
      clock: Number(clock),
      ticks: BigInt(ticks),
      settimeFlags: wall ? flags : 0,
      valueNs: left === 0n || !wall ? left : realtime + left,
      intervalNs,
    };
  },
};

// ---- restore ----

export const timerfdRestore: RestoreHalf<TimerFile> = (files, context) => {
  for (const file of files) {
    const slot = context.slot();
    const subject = context.subject(file);
    context.create({ type: OP.TIMERFD, slot, arg: file.clock, subject });
    placeMade(file, slot, context);
    // time is counted from when the tree runs again, and what it tells then is news
    if (file.valueNs !== 0n) {
      const flags = file.settimeFlags & (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
      const set = { type: OP.TIMERFD_SET, slot, flags, a: file.valueNs, b: file.intervalNs, subject };
      if (file.ticks === 0n) context.arm(set);
      else context.finish(set);
    }
    // after that, which sets it to 0
    if (file.ticks !== 0n) context.finish({ type: OP.TIMERFD_TICKS, slot, a: file.ticks, subject });
  }
};
