/** Descriptors of eventfd(2). */

import { DESCRIPTOR_WHAT } from "../image/layout.js";
import type { EventFile } from "../image/schema.js";
import { extraField } from "../proc/fdinfo.js";
import type { RestoreHalf } from "../restore/context.js";
import { OP } from "../restore/plan.js";
import { anonymousName, refuseInfo } from "./anonymous.js";
import { placeMade } from "./open.js";
import { baseOf, descriptorOf, isOnItsWay, type DumpHalf } from "./types.js";

const EFD_SEMAPHORE = 1;

// ---- dump ----

export const eventfdDump: DumpHalf = {
  claims: (found) => anonymousName(found) === "[eventfd]",

  dump(found, context): EventFile | undefined {
    const count = extraField(found.info, "eventfd-count");
    // told by fdinfo since 6.5, by the module before
    const told = extraField(found.info, "eventfd-semaphore");
    const semaphore = told === "1" || found.untold.get(DESCRIPTOR_WHAT.SEMAPHORE) === 1n;
    if (told === undefined && isOnItsWay(found)) {
      context.refuse({
        ...descriptorOf(found),
        object: "eventfd",
        why: "it is in a message that has not been received, and this kernel does not tell of it then whether it is a semaphore",
        hint: "try again when the message has been received",
        transient: true,
      });
      return;
    }
    if (count === undefined || !/^[0-9a-f]+$/.test(count)) {
      refuseInfo(found, "eventfd", context);
      return;
    }
    return { ...baseOf(found), kind: "eventfd", count: BigInt(`0x${count}`), semaphore };
  },
};

// ---- restore ----

export const eventfdRestore: RestoreHalf<EventFile> = (files, context) => {
  for (const file of files) {
    const slot = context.slot();
    const subject = context.subject(file);
    context.create({ type: OP.EVENTFD, slot, flags: file.semaphore ? EFD_SEMAPHORE : 0, subject });
    // by writing: eventfd(2) takes 32 bits
    if (file.count !== 0n) context.create({ type: OP.WRITE, slot, data: Buffer.from(BigUint64Array.of(file.count).buffer), subject });
    placeMade(file, slot, context);
  }
};
