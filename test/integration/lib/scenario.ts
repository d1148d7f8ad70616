/** Tests by table, and what a failure shows. */

import { Program, type StartOptions, type Tree } from "./program.js";

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
  timeoutMs?: number;
}

/** The life of every program: dumped and restored twice in a row, then it verifies, sets up anew, and ends. */
export async function liveThroughTwo(row: Row): Promise<void> {
  await withJournal(await Program.start(row.program, row.args, row), async (program) => {
    await program.cycle();
    await program.cycle();
    await program.verify();
    await program.finish();
  });
}

export function describeRows(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    for (const row of rows) {
      it(row.title ?? [row.program, ...(row.args ?? [])].join(" "), async function () {
        if (row.timeoutMs !== undefined) this.timeout(row.timeoutMs);
        await liveThroughTwo(row);
      });
    }
  });
}
