/** Huge pages (MAP_HUGETLB), of which a machine has as many as its administrator lets it have. */

import { expect } from "chai";
import { readFileSync, writeFileSync } from "node:fs";
import { mustFail } from "./lib/crctl.js";
import { pidsOfTree, stateOf, viewTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { describeRows, withJournal } from "./lib/scenario.js";

const SETTING = "/proc/sys/vm/nr_hugepages";
/** What a program and its child have, have reserved, and take to verify that, for each of those that run at the same time. */
const ENOUGH = 48;

function setHugePages(pages: number): void {
  writeFileSync(SETTING, String(pages));
  // memory that is in pieces gives fewer
  expect(Number(readFileSync(SETTING, "latin1")), "huge pages").to.equal(pages);
}

describe("huge pages", () => {
  let original: number;

  before(() => {
    original = Number(readFileSync(SETTING, "latin1"));
  });

  beforeEach(() => {
    setHugePages(ENOUGH);
  });

  after(() => {
    writeFileSync(SETTING, String(original));
  });

  describeRows("come back", [{ program: "huge" }]);

  it("that are not free here end a restore before it has begun", async () => {
    await withJournal(await Program.start("huge"), async (program) => {
      const image = program.newImage();
      const view = viewTree(program.pid);
      const pids = pidsOfTree(program.pid);
      await program.dump(image);
      await program.gone(pids);
      for (const [pages, words] of [
        [0, /^E_NO_HUGE_PAGES the tree needs 15 of 2 MiB, and 0 are free$/],
        [14, /^E_NO_HUGE_PAGES the tree needs 15 of 2 MiB, and 14 are free$/],
      ] as const) {
        setHugePages(pages);
        const error = await mustFail("E_NO_HUGE_PAGES", 6, ["restore", "-D", image, "-d"]);
        expect(error.problems?.map(({ code, why }) => `${code} ${why}`).join()).to.match(words);
        expect(pids.filter((pid) => stateOf(pid) !== undefined)).to.deep.equal([]);
        expect(readFileSync("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "latin1").trim()).to.equal(String(pages));
      }
      setHugePages(ENOUGH);
      await program.restore(image);
      await program.mustLookLike(view);
      await program.finish();
    });
  });
});
