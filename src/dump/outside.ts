/** Who outside of the tree holds an end of a pipe. Most of it is found out before the tree is frozen. */

import { native } from "../native.js";
import { isPipeLink } from "../kinds/pipe.js";

export class Outsiders {
  private readonly scanned: ReadonlySet<number>;
  /** link: pids */
  private readonly pipes = new Map<string, number[]>();
  private readonly fifos = new Map<string, boolean>();
  private tree: ReadonlySet<number> = new Set();
  /** those that are not in the tree; undefined until they matter */
  private others: number[] | undefined;

  /** Looks at all tasks. */
  constructor() {
    const pids = native()
      .listNumbers("/proc")
      .filter((pid) => pid !== process.pid);
    this.scanned = new Set(pids);
    this.scan(pids);
  }

  /** Who belongs to the tree. */
  except(tree: ReadonlySet<number>): void {
    this.tree = tree;
    this.others = undefined;
    this.fifos.clear();
  }

  holds(link: string): boolean {
    const others = (this.others ??= this.look());
    if (isPipeLink(link)) return this.pipes.get(link)?.some((pid) => !this.tree.has(pid)) ?? false;
    let held = this.fifos.get(link);
    if (held === undefined) this.fifos.set(link, (held = native().holders(others, [link]).some((holder) => holder.link === link)));
    return held;
  }

  /** Those who came since the first look are looked at too. */
  private look(): number[] {
    const others = native()
      .listNumbers("/proc")
      .filter((pid) => pid !== process.pid && !this.tree.has(pid));
    this.scan(others.filter((pid) => !this.scanned.has(pid)));
    return others;
  }

  private scan(pids: readonly number[]): void {
    for (const { pid, link } of native().holders(pids, ["pipe:["])) {
      const known = this.pipes.get(link);
      if (known === undefined) this.pipes.set(link, [pid]);
      else known.push(pid);
    }
  }
}
