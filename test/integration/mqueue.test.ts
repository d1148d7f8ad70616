/** POSIX message queues: as they are saved and restored, and when they meet others. */

import { expect } from "chai";
import path from "node:path";
import { describeOutcome, must, mustFail, run, type Outcome } from "./lib/crctl.js";
import { faulty, naming } from "./lib/faults.js";
import { withHelpers } from "./lib/helper.js";
import { PROGRAMS } from "./lib/paths.js";
import { Program } from "./lib/program.js";
import { describeRows, withJournal } from "./lib/scenario.js";

const NAME = "/crctl-test-queue";

async function mq(...args: readonly string[]): Promise<string> {
  const outcome = await run(path.join(PROGRAMS, "mq"), [NAME, ...args]);
  expect(outcome.status, describeOutcome(outcome)).to.equal(0);
  return outcome.stdout.trim();
}

async function isThere(): Promise<boolean> {
  return (await run(path.join(PROGRAMS, "mq"), [NAME, "stat"])).status === 0;
}

/** Somebody who has it open until he is let go; twice. */
const withUsers = (act: (pid: number) => Promise<void>): Promise<void> => withHelpers("mq", [NAME, "hold"], act);

/** what the program puts into it, as `mq stat` tells it; and with one more */
const HELD = /^2 11 \d+$/;
const CHANGED = /^3 16 \d+$/;

const STEPS = ["executor.op.mqueue", "executor.op.mqueue-open", "executor.op.exec", "executor.loaded", "executor.gate"];

describeRows("POSIX message queues", [{ program: "posix_mq" }]);

describe("POSIX message queues that meet others", () => {
  const refused = (image: string): Promise<unknown> => mustFail("E_CONFLICT", 6, ["restore", "-d", "-D", image]);
  const restore = (fault: string, image: string): Promise<Outcome> => faulty(fault, ["restore", "-d", "-D", image, "--json"]);

  afterEach(async () => {
    if (await isThere()) await mq("remove");
  });

  /** Dumps a program that has one, which stays; `act`; then the program must come back. */
  async function away(act: (image: string) => Promise<void>): Promise<void> {
    await withJournal(await Program.start("mq_hold", [NAME]), async (program) => {
      const image = program.newImage();
      await program.dump(image);
      await program.gone([program.pid]);
      expect(await mq("stat")).to.match(HELD);
      await act(image);
      await program.restore(image);
      expect(await mq("stat")).to.match(HELD);
      // another generation
      await program.cycle();
      await program.finish();
      expect(await isThere()).to.equal(false);
    });
  }

  it("one that somebody else has open", async () => {
    await withJournal(await Program.start("mq_hold", [NAME]), async (program) => {
      await withUsers(async (pid) => {
        const error = await mustFail("E_EXTERNAL", 4, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
        expect(JSON.stringify(error)).to.match(new RegExp(`task ${pid} \\(mq\\), which is not in the tree`));
      });
      await program.finish();
    });
  });

  it("one that stayed is used again", async () => {
    await away(async (image) => {
      expect((await must(["show", image])).stdout).to.include(`message queue ${NAME}, 2 messages`);
      const { stderr } = await must(["restore", "-D", image, "--check"]);
      expect(stderr).not.to.match(/open nowhere/);
    });
  });

  it("one that stayed and was changed gets what the image has", async () => {
    await away(async (image) => {
      await mq("send", "5", "third");
      const { stderr } = await must(["restore", "-D", image, "--check"]);
      expect(stderr).to.match(/is there, open nowhere: in place of its 3 messages it gets those of the image, 2/);
      // only the check, which has altered nothing
      expect(await mq("stat")).to.match(CHANGED);
    });
  });

  it("one that has gone is made again", async () => {
    await away(async () => {
      await mq("remove");
    });
  });

  it("another one has its name", async () => {
    await away(async (image) => {
      await mq("remove");
      await mq("make");
      await mq("send", "5", "third");
      const before = await mq("stat");
      await refused(image);
      expect(await mq("stat")).to.equal(before);
      await mq("remove");
    });
  });

  it("one that stayed, and somebody has it open", async () => {
    await away(async (image) => {
      await withUsers(async () => {
        await refused(image);
      });
    });
  });

  it("a restore that fails leaves one that stayed as it was", async () => {
    await away(async (image) => {
      const before = await mq("stat");
      for (const change of [false, true]) {
        for (const fault of STEPS) {
          if (change) {
            await mq("take");
            await mq("send", "5", "third");
            await mq("send", "6", "fourth");
          }
          await naming(fault, async () => {
            const outcome = await restore(fault, image);
            expect(outcome.status, describeOutcome(outcome)).to.equal(6);
            if (change) expect(await mq("take")).to.equal("6:fourth 5:third");
            else expect(await mq("stat")).to.equal(before);
          });
        }
      }
    });
  });

  it("a restore that fails takes away what it has made", async () => {
    await away(async (image) => {
      await mq("remove");
      for (const fault of [...STEPS, "executor.loaded=die", "executor.gate=die"]) {
        await naming(fault, async () => {
          const outcome = await restore(fault, image);
          expect(outcome.status, describeOutcome(outcome)).to.equal(6);
          for (let left = 100; left > 0 && (await isThere()); left--) await new Promise((resolve) => setTimeout(resolve, 50));
          expect(await isThere()).to.equal(false);
        });
      }
    });
  });

  it("a dump that fails or is killed leaves it as it was", async () => {
    await withJournal(await Program.start("mq_hold", [NAME]), async (program) => {
      const before = await mq("stat");
      for (const fault of ["dump.frozen", "dump.collected", "dump.collected=kill", "dump.copied=kill"]) {
        await naming(fault, async () => {
          const outcome = await faulty(fault, ["dump", "-t", String(program.pid), "-D", program.newImage(), "--json"]);
          expect(outcome.status, describeOutcome(outcome)).not.to.equal(0);
          expect(await mq("stat")).to.equal(before);
        });
      }
      await program.finish();
    });
  });
});
