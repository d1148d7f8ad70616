/** Tests by table, and what a failure shows. */

import { keep, killAll, releaseAll } from "./leftovers.js";
import { PACE } from "./pace.js";
import { Herd, Program, type StartOptions, type Tree } from "./program.js";

/** Adds what was done to a tree to an error about it. */
export async function withJournal<T extends Tree>(tree: T, act: (tree: T) => Promise<void>): Promise<void> {
  try {
    await act(tree);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    error.message = [error.message, ...tree.journal.slice(-4), `directory: ${tree.directory}`].join("\n");
    throw error;
  }
}

export interface Row extends StartOptions {
  program: string;
  args?: readonly string[];
  /** what the test is called, if the program's name does not say it */
  title?: string;
  /** not together with others: what it does to the machine or to the test's duration is too much */
  alone?: boolean;
  timeoutMs?: number;
  /** verifying itself takes it long: it does so once, at its end */
  once?: boolean;
  /** how long that may take it, if longer than anything else does */
  finishMs?: number;
}

/** The life of a program: dumped and restored twice in a row, then it verifies, sets up anew, verifies, and ends. */
export async function liveThroughTwo(row: Row): Promise<void> {
  await withJournal(await Program.start(row.program, row.args, row), async (program) => {
    await program.cycle();
    await program.cycle();
    if (row.once !== true) await program.verify();
    await program.finish(row.finishMs);
  });
}

/**
 * Each row is a test. All that can share a tree are dumped and restored
 * together, which saves starting crctl for each; where that fails, each is
 * tried by itself, which tells whose fault it is.
 */
export function describeRows(title: string, rows: readonly Row[]): void {
  const together = rows.filter((row) => row.alone !== true);

  describe(title, () => {
    let herd: Herd | undefined;

    it("all together, twice in a row", async function () {
      this.timeout(600_000 * PACE);
      await withJournal(await Herd.gather(together), async (all) => {
        await all.cycle();
        await all.cycle();
        // it outlives this test, for the next ones to look at
        keep(all.pid, ...all.members.map(({ pid }) => pid));
        herd = all;
      });
    });

    for (const row of rows) {
      it(row.title ?? [row.program, ...(row.args ?? [])].join(" "), async function () {
        if (row.timeoutMs !== undefined) this.timeout(row.timeoutMs * PACE);
        const member = herd?.members[together.indexOf(row)];
        if (member === undefined) {
          await liveThroughTwo(row);
          return;
        }
        if (row.once !== true) await member.verify();
        await member.finish(row.finishMs);
      });
    }

    after(() => {
      releaseAll();
      killAll();
    });
  });
}
