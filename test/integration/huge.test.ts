/** Huge pages (MAP_HUGETLB), of which a machine has as many as its administrator lets it have. */

import { expect } from "chai";
import { readFileSync, writeFileSync } from "node:fs";
import { must, mustFail, run } from "./lib/crctl.js";
import { newDirectory } from "./lib/directories.js";
import { Nobody } from "./lib/nobody.js";
import { CRCTL } from "./lib/paths.js";
import { pidsOfTree, stateOf, viewTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { describeRows, liveThroughTwo, withJournal } from "./lib/scenario.js";
import { segment, segments } from "./lib/segments.js";

const SETTING = "/proc/sys/vm/nr_hugepages";
const STOCK = "/sys/kernel/mm/hugepages/hugepages-2048kB";
/** What the programs and their children have, have reserved, and take to verify that, for all that run at the same time. */
const ENOUGH = 96;
const PAGE = 2 << 20;

function setHugePages(pages: number): void {
  writeFileSync(SETTING, String(pages));
  // memory that is in pieces gives fewer
  expect(Number(readFileSync(SETTING, "latin1")), "huge pages").to.equal(pages);
}

function stock(name: "nr" | "free" | "resv"): number {
  return Number(readFileSync(`${STOCK}/${name}_hugepages`, "latin1"));
}

/** Those that are there or reserved. */
const taken = (): number => stock("nr") - stock("free") + stock("resv");

async function withHugetlbfs(act: (directory: string) => Promise<void>): Promise<void> {
  const directory = newDirectory();
  const { status, stderr } = await run("mount", ["-t", "hugetlbfs", "test", directory]);
  expect(status, stderr).to.equal(0);
  try {
    await act(directory);
  } finally {
    await run("umount", ["-l", directory]);
  }
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

  describeRows("come back", [
    { program: "huge" },
    { program: "huge_shared" },
    { program: "huge_memfd" },
    { program: "huge_memfd", args: ["open"] },
    { program: "huge_sysv" },
  ]);

  /** With fewer than the tree takes no restore begins. */
  async function mustNeed(program: Program, pages: number): Promise<void> {
    const image = program.newImage();
    const view = viewTree(program.pid);
    const pids = pidsOfTree(program.pid);
    const before = [taken(), stock("resv")];
    await must(["dump", "--dry-run", "-t", String(program.pid)]);
    expect([taken(), stock("resv")], "pages of who only looks").to.deep.equal(before);
    await program.dump(image);
    await program.gone(pids);
    expect(taken(), "pages of nobody").to.equal(0);
    for (const few of [0, pages - 1]) {
      setHugePages(few);
      const error = await mustFail("E_NO_HUGE_PAGES", 6, ["restore", "-D", image, "-d"]);
      const [problem] = error.problems ?? [];
      expect(`${problem?.code} ${problem?.why}`).to.equal(`E_NO_HUGE_PAGES the tree needs ${pages} of 2 MiB, and ${few} are free`);
      expect(error.problems).to.have.lengthOf(1);
      expect(pids.filter((pid) => stateOf(pid) !== undefined)).to.deep.equal([]);
      expect(stock("free")).to.equal(few);
    }
    setHugePages(pages);
    await program.restore(image);
    expect(stock("free") - stock("resv"), "pages that are left").to.equal(0);
    setHugePages(ENOUGH);
    await program.mustLookLike(view);
    expectTaken(before);
  }

  /** What parent and child had reserved for both is reserved for each of them by now. */
  function expectTaken([before = 0, reserved = 0]: readonly number[]): void {
    expect(taken(), "pages").to.be.within(before, before + 8);
    expect(stock("resv"), "reserved pages").to.be.at.least(reserved);
  }

  for (const [name, pages] of [
    ["huge", 15],
    // 6, one of which is only reserved, and one without a reservation
    ["huge_shared", 7],
    ["huge_memfd", 11],
  ] as const) {
    it(`that are not free here end a restore before it has begun: ${name}`, async () => {
      await withJournal(await Program.start(name), async (program) => {
        await mustNeed(program, pages);
        await program.finish();
      });
    });
  }

  it("of a hugetlbfs", async () => {
    await withHugetlbfs(async (directory) => {
      await liveThroughTwo({ program: "huge_file", args: [directory] });
      await withJournal(await Program.start("huge_file", [directory]), async (program) => {
        const image = program.newImage();
        await program.dump(image, ["-R"]);
        process.kill(program.pid, "SIGKILL");
        await program.gone([program.pid]);
        await run("umount", ["-l", directory]);
        const error = await mustFail("E_FILE_MISSING", 6, ["restore", "-D", image, "-d"]);
        expect(JSON.stringify(error)).to.include(`${directory}/named`);
      });
    });
  });

  it("of a user who has them open, and no privilege", async () => {
    const nobody = await Nobody.enter();
    try {
      const start = { uid: nobody.uid, programs: nobody.programs, env: nobody.env };
      await withJournal(await Program.start("huge_memfd", ["open"], start), async (program) => {
        const image = program.newImage();
        await must(["dump", "-t", String(program.pid), "-D", image], nobody);
        await program.gone([program.pid]);
        const { stdout } = await must(["restore", "-d", "--new-pids", "--json", "-D", image], nobody);
        program.became((JSON.parse(stdout) as { pid: number }).pid);
        await program.verify();
        await program.finish();
      });
    } finally {
      await nobody.leave();
    }
  });

  describe("in System V shared memory", () => {
    let found: readonly number[];

    beforeEach(() => {
      found = segments().map(({ id }) => id);
    });

    afterEach(async () => {
      for (const { id } of made()) await segment("remove", id);
    });

    const made = (): ReturnType<typeof segments> => segments().filter(({ id }) => !found.includes(id));

    /** Dumps a program, and ends it. `filled`: pages that it had only reserved, and that are there afterwards. */
    async function away(act: (program: Program, image: string) => Promise<void>, filled = 0): Promise<void> {
      await withJournal(await Program.start("huge_sysv"), async (program) => {
        const image = program.newImage();
        const view = viewTree(program.pid);
        const pids = pidsOfTree(program.pid);
        const before = [taken(), stock("resv")];
        await must(["dump", "--dry-run", "-t", String(program.pid)]);
        await program.dump(image);
        await program.gone(pids);
        await act(program, image);
        await program.restore(image);
        await program.mustLookLike(view);
        expect([taken(), stock("resv") + filled], "pages").to.deep.equal(before);
        await program.finish();
      });
    }

    it("that stayed take no others, and lose what was put into holes meanwhile", async () => {
      await away(async () => {
        const [keyed = 0, unreserved = 0] = made().map(({ id }) => id);
        await segment("write", keyed, 2 * PAGE, "something");
        await segment("write", unreserved, 2 * PAGE, "something");
        // and one for the segment that went with the tree
        setHugePages(taken() + 1);
      }, 1);
    });

    it("that have gone are made again, or not, if there are too few", async () => {
      await away(async (_, image) => {
        for (const { id } of made()) await segment("remove", id);
        setHugePages(6);
        const error = await mustFail("E_NO_HUGE_PAGES", 6, ["restore", "-D", image, "-d"]);
        expect(JSON.stringify(error)).to.include("the tree needs 7 of 2 MiB, and 6 are free");
        expect(made()).to.deep.equal([]);
        setHugePages(ENOUGH);
      });
    });

    it("are not put where others have pages of another size", async () => {
      await away(async (_, image) => {
        const keyed = made().find(({ key }) => key !== 0);
        const id = keyed?.id ?? -1;
        const size = 3 * PAGE + 100;
        await segment("remove", id);
        expect(await segment("make", ((keyed?.key ?? 0) >>> 0).toString(16), size, id)).to.equal(String(id));
        await segment("write", id, 0, "somebody's own");
        const error = await mustFail("E_CONFLICT", 6, ["restore", "-D", image, "-d"]);
        expect(JSON.stringify(error)).to.include("pages of another size");
        expect(await segment("read", id, 0, 14)).to.equal("somebody's own");
        await segment("remove", id);
      });
    });

    it("take a right of their own", async () => {
      const group = "/proc/sys/vm/hugetlb_shm_group";
      const usual = readFileSync(group, "latin1");
      await away(async (program, image) => {
        for (const { id } of made()) await segment("remove", id);
        writeFileSync(group, "4711");
        try {
          const restore = [process.execPath, CRCTL, "restore", "-D", image, "-d"];
          // before 5.17, those may have huge pages too who may lock as much memory
          const { status, stdout, stderr } = await run("prlimit", [
            "--memlock=4096",
            "setpriv",
            "--bounding-set",
            "-ipc_lock,-sys_resource",
            ...restore,
          ]);
          expect(status, stdout + stderr).to.equal(7);
          expect(stderr).to.match(/CAP_IPC_LOCK.*hugetlb_shm_group/);
          expect(made()).to.deep.equal([]);
          expect(stateOf(program.pid)).to.equal(undefined);
        } finally {
          writeFileSync(group, usual);
        }
      });
    });
  });
});
