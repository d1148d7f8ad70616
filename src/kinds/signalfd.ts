/** Descriptors of signalfd(2). The signals themselves are pending in the tasks. */

import type { SignalFile } from "../image/schema.js";
import { extraField } from "../proc/fdinfo.js";
import type { RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { anonymousName, refuseInfo } from "./anonymous.js";
import { placeMade } from "./open.js";
import { baseOf, type DumpHalf } from "./types.js";

// ---- dump ----

export const signalfdDump: DumpHalf = {
  claims: (found) => anonymousName(found) === "[signalfd]",

  dump(found, context): SignalFile | undefined {
    const mask = extraField(found.info, "sigmask");
    if (mask === undefined || !/^[0-9a-f]{16}$/.test(mask)) {
      refuseInfo(found, "signalfd", context);
      return;
    }
    return { ...baseOf(found), kind: "signalfd", mask: BigInt(`0x${mask}`) };
  },
};

// ---- restore ----

export const signalfdRestore: RestoreHalf<SignalFile> = (files, context) => {
  for (const file of files) {
    const slot = context.slot();
    context.create({ type: OP.SIGNALFD, slot, a: file.mask, subject: context.subject(file) });
    placeMade(file, slot, context);
  }
};
