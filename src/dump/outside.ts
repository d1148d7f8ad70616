/** Who outside of the tree holds an end of a pipe. Most of it is found out before the tree is frozen. */

import { native } from "../native.js";
import { isPipeLink } from "../kinds/pipe.js";

export class Outsiders {
  private readonly scanned: ReadonlySet<number>;
  /** link: pids */
  private readonly pipes = new Map<string, number[]>();
  private readonly fifos = new Map<string, boolean>();
  private others: number[] = [];

  /** Looks at all tasks. */
  constructor() {
    const pids = native()
      .listNumbers("/proc")
      .filter((pid) => pid !== process.pid);
    this.scanned = new Set(pids);
    this.scan(pids);
  }

  /** Once the tree is known: who came since, and who of those seen belongs to the tree. */
  except(tree: ReadonlySet<number>): void {
    this.others = native()
      .listNumbers("/proc")
      .filter((pid) => pid !== process.pid && !tree.has(pid));
    this.scan(this.others.filter((pid) => !this.scanned.has(pid)));
    for (const [link, pids] of this.pipes) {
      this.pipes.set(
        link,
        pids.filter((pid) => !tree.has(pid)),
      );
    }
  }

  holds(link: string): boolean {
    if (isPipeLink(link)) return (this.pipes.get(link)?.length ?? 0) > 0;
    let held = this.fifos.get(link);
    if (held === undefined) this.fifos.set(link, (held = native().holders(this.others, [link]).some((holder) => holder.link === link)));
    return held;
  }

  private scan(pids: readonly number[]): void {
    for (const { pid, link } of native().holders(pids, ["pipe:["])) {
      const known = this.pipes.get(link);
      if (known === undefined) this.pipes.set(link, [pid]);
      else known.push(pid);
    }
  }
}
