/**
 * Whatever goes wrong in the middle: a failed dump leaves the tree as it was, a failed restore leaves nothing, and the
 * next try works. Every point at which a command can be made to fail or to be killed (src/fault.ts), in turn.
 */

import { expect } from "chai";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { FAULT_POINTS } from "../../src/fault.js";
import { crctl, describeOutcome, must, type Outcome } from "./lib/crctl.js";
import { Clean, faulty, goesOn, naming, share, tidsOfTree, unharmed, workload } from "./lib/faults.js";
import { pidsOfTree, stateOf, viewTree } from "./lib/procfs.js";
import type { Program } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

const points = (prefix: string): string[] => Object.keys(FAULT_POINTS).filter((name) => name.startsWith(prefix));
const isLate = (point: string): boolean => FAULT_POINTS[point]?.late === true;

/** Of points that are passed more than once, times that are not the first. */
const LATER = ["dump.seize:3", "dump.stopped:2", "dump.core:2", "dump.pages:2", "dump.metadata:3"];
/** Points of a dump over an existing image, of one that leaves the tree running, of one that keeps connections, of one that waits. */
const SPECIAL = ["dump.aside", "dump.thawed", "dump.held", "dump.again"];

/** One operation of each sort: on an object, in a task, in one that is to end, from outside. */
const STEPS = ["executor.op.fill", "executor.op.dup", "executor.op.die", "executor.op.stop"];

const inventoryOf = (image: string): string => path.join(image, "inventory.msgpack");

function mustHaveFailed(outcome: Outcome, code: string, exitCode: number): void {
  const about = describeOutcome(outcome);
  expect(outcome.status, about).to.equal(exitCode);
  const { error } = JSON.parse(outcome.stdout) as { error: { code: string } };
  expect(error.code, about).to.equal(code);
}

function mustHaveBeenKilled(outcome: Outcome): void {
  expect(outcome.signal, describeOutcome(outcome)).to.equal("SIGKILL");
}

describe("faults: a dump", () => {
  const dump = (program: Program, fault: string, ...more: string[]): Promise<Outcome> =>
    faulty(fault, ["dump", "-t", String(program.pid), "-D", program.path("image"), "--json", ...more]);

  const ordinary = points("dump.").filter((point) => !isLate(point) && !SPECIAL.includes(point));

  it("that fails: the tree goes on, nothing is left", async () => {
    await withJournal(await workload(), async (program) => {
      let before = viewTree(program.pid);
      for (const fault of share([...ordinary, ...LATER.slice(0, 2)])) {
        await naming(fault, async () => {
          mustHaveFailed(await dump(program, fault), "E_FAULT", 1);
          before = await goesOn(program, before);
          expect(existsSync(program.path("image")), "the directory is there").to.equal(false);
        });
      }
      mustHaveFailed(await dump(program, "dump.thawed", "--leave-running"), "E_FAULT", 1);
      before = await goesOn(program, before);
      expect(existsSync(program.path("image"))).to.equal(false);
      await program.cycle();
      await program.verify();
      await program.finish();
    });
  });

  it("that is killed: the tree goes on, and what there is is no image", async () => {
    await withJournal(await workload(), async (program) => {
      let before = viewTree(program.pid);
      const inventory = inventoryOf(program.path("image"));
      // each finds what the one before has left; the last point leaves an image
      for (const fault of [...share([...ordinary.slice(0, -1), ...LATER.slice(1)]), ...ordinary.slice(-1)]) {
        await naming(`${fault}=kill`, async () => {
          mustHaveBeenKilled(await dump(program, `${fault}=kill`));
          before = await goesOn(program, before);
          expect(existsSync(inventory), "the inventory is there").to.equal(fault === "dump.renamed");
        });
      }
      // over what the last one has left
      mustHaveBeenKilled(await dump(program, "dump.thawed=kill", "--leave-running", "--force"));
      before = await goesOn(program, before);
      expect(existsSync(inventory)).to.equal(false);
      await program.cycle();
      await program.verify();
      await program.finish();
    });
  });

  it("that fails or is killed while it puts another image aside", async () => {
    await withJournal(await workload(), async (program) => {
      const image = program.path("image");
      await program.dump(image, ["--leave-running"]);
      let before = viewTree(program.pid);
      const inventory = readFileSync(inventoryOf(image));
      for (const fault of ["dump.aside:3", "dump.opened", "dump.copied", "dump.renamed"]) {
        await naming(fault, async () => {
          mustHaveFailed(await dump(program, fault, "--force"), "E_FAULT", 1);
          before = await goesOn(program, before);
          expect(readFileSync(inventoryOf(image)).equals(inventory), "the old image is whole").to.equal(true);
          await must(["show", image]);
        });
      }
      // what is aside then is back with the next dump
      for (const fault of ["dump.aside:3=kill", "dump.copied=kill"]) {
        await naming(fault, async () => {
          mustHaveBeenKilled(await dump(program, fault, "--force"));
          before = await goesOn(program, before);
          mustHaveFailed(await faulty("", ["restore", "-d", "-D", image, "--json"]), "E_IMAGE_INCOMPLETE", 5);
          mustHaveFailed(await dump(program, "dump.opened", "--force"), "E_FAULT", 1);
          expect(readFileSync(inventoryOf(image)).equals(inventory), "the old image is whole").to.equal(true);
        });
      }
      await program.finish();
    });
  });

  it("that is killed when the image is complete: it is an image, whatever became of the tree", async () => {
    await withJournal(await workload(), async (program) => {
      const image = program.path("image");
      const before = viewTree(program.pid);
      mustHaveBeenKilled(await dump(program, "dump.complete=kill"));
      await unharmed(program, before);
      await must(["show", image]);
      await program.verify();

      const pids = pidsOfTree(program.pid);
      const again = viewTree(program.pid);
      mustHaveBeenKilled(await dump(program, "dump.ended=kill", "--force"));
      await program.gone(pids);
      await program.restore(image);
      await program.mustLookLike(again);
      await program.verify();
      await program.finish();
    });
  });

  it("with a fault that there is not, or that never comes", async () => {
    await withJournal(await workload(), async (program) => {
      const before = viewTree(program.pid);
      for (const fault of [
        "dump.nothing",
        "dump.frozen:0",
        "dump.frozen=explode",
        "dump.complete=fail",
        "dump.frozen;rm",
        "executor.op.fly",
      ]) {
        const outcome = await dump(program, fault);
        mustHaveFailed(outcome, "E_USAGE", 2);
      }
      await unharmed(program, before);
      const outcome = await dump(program, "dump.frozen:7", "--leave-running");
      expect(outcome.status, describeOutcome(outcome)).to.equal(0);
      expect(outcome.stderr).to.include("dump.frozen:7").and.to.include("not reached");
      await program.finish();
    });
  });
});

interface PlannedOps {
  create: { op: string }[];
  fork: { op: string }[];
  settle: { op: string }[];
  finish: { op: string }[];
  processes: { stages: Record<string, { op: string }[]> }[];
}

describe("faults: a restore", () => {
  /** A tree that has been dumped, and everything that tells whether something of it is left. */
  async function away(act: (program: Program, image: string, clean: Clean) => Promise<void>): Promise<void> {
    await withJournal(await workload(), async (program) => {
      const image = program.newImage();
      const pids = pidsOfTree(program.pid);
      const tids = tidsOfTree(program.pid);
      const before = viewTree(program.pid);
      await program.dump(image);
      await program.gone(pids);
      await act(program, image, new Clean(tids, [program.directory, image]));
      await program.restore(image);
      await program.mustLookLike(before);
      await program.verify();
      await program.finish();
    });
  }

  const restore = (image: string, fault: string): Promise<Outcome> => faulty(fault, ["restore", "-D", image, "-d", "--json"]);

  async function operations(image: string): Promise<string[]> {
    const { stdout } = await must(["restore", "-D", image, "--check", "--json"]);
    const { plan } = JSON.parse(stdout) as { plan: PlannedOps };
    const all = [plan.create, plan.fork, plan.settle, plan.finish, ...plan.processes.flatMap(({ stages }) => Object.values(stages))].flat();
    return [...new Set(all.map(({ op }) => `executor.op.${op}`))];
  }

  const own = points("restore.").filter((point) => !isLate(point));
  const executors = [
    ...points("executor.").filter((point) => !isLate(point)),
    "executor.born:4",
    "executor.op.fork:3",
    "executor.op.exec:4",
  ];

  it("that fails: nothing is left", async () => {
    await away(async (_, image, clean) => {
      for (const fault of share(own)) {
        await naming(fault, async () => {
          mustHaveFailed(await restore(image, fault), "E_FAULT", 1);
          await clean.check();
        });
      }
      for (const fault of share([...executors, ...(await operations(image))])) {
        await naming(fault, async () => {
          mustHaveFailed(await restore(image, fault), "E_RESTORE_FAILED", 6);
          await clean.check();
        });
      }
    });
  });

  it("that is killed: nothing is left", async () => {
    await away(async (_, image, clean) => {
      for (const fault of share([...own, ...executors, ...STEPS])) {
        await naming(`${fault}=kill`, async () => {
          mustHaveBeenKilled(await restore(image, `${fault}=kill`));
          await clean.check();
        });
      }
    });
  });

  it("whose executor or task is killed: nothing is left", async () => {
    await away(async (_, image, clean) => {
      for (const fault of share([...executors, ...STEPS])) {
        await naming(`${fault}=die`, async () => {
          mustHaveFailed(await restore(image, `${fault}=die`), "E_RESTORE_FAILED", 6);
          await clean.check();
        });
      }
    });
  });

  it("that is killed when the gate is open: the tree runs", async () => {
    for (const fault of ["executor.running", "restore.running"]) {
      await naming(fault, async () => {
        await withJournal(await workload(), async (program) => {
          const image = program.newImage();
          const pids = pidsOfTree(program.pid);
          const before = viewTree(program.pid);
          await program.dump(image);
          await program.gone(pids);
          mustHaveBeenKilled(await restore(image, `${fault}=kill`));
          await until("the tree to be there", () => stateOf(program.pid) !== undefined);
          await unharmed(program, before);
          await program.verify();
          await program.cycle();
          await program.finish();
        });
      });
    }
  });

  it("with a fault that never comes", async () => {
    await away(async (_, image) => {
      const outcome = await crctl(["restore", "-D", image, "--check"], { env: { ...process.env, CRCTL_FAULT: "executor.born:99" } });
      expect(outcome.status, describeOutcome(outcome)).to.equal(0);
      expect(outcome.stderr).to.include("not reached");
    });
  });
});
