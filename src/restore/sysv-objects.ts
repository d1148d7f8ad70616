/** System V objects that a restore has made, where its executor was killed and nobody has removed them. */

import { native } from "../native.js";

/** As its executor has told: "segment 5". What its tasks still have attached goes with them. */
export function removeObjects(made: readonly string[]): void {
  for (const text of made) {
    const [kind = "", id] = text.split(" ");
    native().removeSysv(kind, Number(id));
  }
}
