/** A tree that acts while it is being dumped, two commands for one tree, and too few descriptors. */

import { expect } from "chai";
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import { crctl, describeOutcome, mustFail, run, type Outcome } from "./lib/crctl.js";
import { Clean, faulty, naming, pausedAt, tidsOfTree, unharmed, untraced, workload } from "./lib/faults.js";
import { CRCTL, SCRIPTS } from "./lib/paths.js";
import { pidsOfTree, stateOf, viewTree } from "./lib/procfs.js";
import { Tree } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

/** scripts/orders.sh: a parent that waits, and a child that does what it is told. */
class Pair {
  private constructor(
    readonly tree: Tree,
    readonly child: number,
  ) {}

  static async start(): Promise<Pair> {
    const tree = await Tree.command("/bin/bash", [path.join(SCRIPTS, "orders.sh")]);
    await until("the child's id", () => existsSync(tree.path("pids")));
    const [, child] = readFileSync(tree.path("pids"), "utf8").trim().split(" ");
    return new Pair(tree, Number(child));
  }

  async give(order: string): Promise<void> {
    const fd = await until("the child to listen", () => {
      try {
        return openSync(this.tree.path("orders"), constants.O_WRONLY | constants.O_NONBLOCK);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENXIO") return undefined;
        throw error;
      }
    });
    writeSync(fd, `${order}\n`);
    closeSync(fd);
  }

  async carriesOut(order: string): Promise<void> {
    await this.give(order);
    await until(
      `"${order}" to be done`,
      () => existsSync(this.tree.path("done")) && readFileSync(this.tree.path("done"), "utf8").split("\n").includes(order),
    );
  }
}

function codeOf({ stdout }: Outcome): string | undefined {
  return stdout === "" ? undefined : (JSON.parse(stdout) as { error?: { code: string } }).error?.code;
}

function commsOf(image: { tasks: { comm: string }[] }): string[] {
  return image.tasks.map(({ comm }) => comm).sort();
}

describe("faults: a tree that acts during its dump", () => {
  /** Dumps it, has it act when the dump has come to `point`, and lets the dump go on. `before`: an order that is carried out first. */
  async function acting(
    point: string,
    act: (pair: Pair) => Promise<void>,
    check: (pair: Pair, outcome: Outcome, image: string) => Promise<void>,
    before?: string,
  ): Promise<void> {
    await naming(point, async () => {
      const pair = await Pair.start();
      const { tree } = pair;
      await withJournal(tree, async () => {
        const image = tree.newImage();
        if (before !== undefined) await pair.carriesOut(before);
        const paused = await pausedAt(point, ["dump", "-t", String(tree.pid), "-D", image, "--leave-running", "--json"]);
        await act(pair);
        const outcome = await paused.go();
        await untraced(tree.pid).catch((error: unknown) => {
          // the root has gone
          if (stateOf(tree.pid) !== undefined) throw error;
        });
        await check(pair, outcome, image);
      });
    });
  }

  async function shown(image: string): Promise<string[]> {
    const { stdout, status, stderr } = await crctl(["show", "--json", image]);
    expect(status, stderr).to.equal(0);
    return commsOf(JSON.parse(stdout) as { tasks: { comm: string }[] });
  }

  /** Nothing is frozen yet; or the parent is, and the child is not. */
  for (const point of ["dump.checked", "dump.seize:2"]) {
    it(`that forks (${point})`, async () => {
      await acting(
        point,
        async (pair) => {
          await pair.carriesOut("sleep 1000 &");
          // the child is a bash until it executes the program
          await until("it to sleep", () => pidsOfTree(pair.child).some((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n"));
        },
        async (pair, outcome, image) => {
          expect(outcome.status, describeOutcome(outcome)).to.equal(0);
          expect(await shown(image)).to.deep.equal(["bash", "bash", "sleep"]);
          await pair.carriesOut(": still here");
        },
      );
    });

    it(`that executes another program (${point})`, async () => {
      await acting(
        point,
        async (pair) => {
          await pair.give("exec sleep 1000");
          await until("it to sleep", () => readFileSync(`/proc/${pair.child}/comm`, "utf8") === "sleep\n");
        },
        async (pair, outcome, image) => {
          expect(outcome.status, describeOutcome(outcome)).to.equal(0);
          expect(await shown(image)).to.deep.equal(["bash", "sleep"]);
          expect(pidsOfTree(pair.tree.pid)).to.deep.equal([pair.tree.pid, pair.child]);
        },
      );
    });
  }

  it("of which a task ends before it is frozen", async () => {
    await acting(
      "dump.checked",
      async (pair) => {
        // it would end the parent too
        await pair.carriesOut("sleep 1000 &");
        await pair.carriesOut("kill $!; wait");
      },
      async (pair, outcome, image) => {
        expect(outcome.status, describeOutcome(outcome)).to.equal(0);
        expect(await shown(image)).to.deep.equal(["bash", "bash"]);
        await pair.carriesOut(": still here");
      },
    );
  });

  it("of which a task ends when its parent is frozen: it is a zombie of the image", async () => {
    await acting(
      "dump.seize:2",
      async (pair) => {
        await pair.give("exit 3");
        await until("it to have ended", () => stateOf(pair.child) === "Z");
      },
      async (pair, outcome) => {
        expect(outcome.status, describeOutcome(outcome)).to.equal(0);
        expect((JSON.parse(outcome.stdout) as { zombies: number }).zombies).to.equal(1);
        // the parent waits for it, and ends
        await pair.tree.gone([pair.tree.pid]);
      },
    );
  });

  const OPEN = "exec 7</proc/self/smaps";
  const CLOSE = "exec 7<&-";

  it("that lets go of what stood in the way: it is waited for", async () => {
    await acting(
      "dump.again:2",
      (pair) => pair.carriesOut(CLOSE),
      async (pair, outcome, image) => {
        expect(outcome.status, describeOutcome(outcome)).to.equal(0);
        expect(await shown(image)).to.deep.equal(["bash", "bash"]);
        await pair.carriesOut(": still here");
      },
      OPEN,
    );
  });

  it("that does not let go of what stood in the way", async () => {
    await acting(
      "dump.again:4",
      () => Promise.resolve(),
      async (pair, outcome, image) => {
        expect(outcome.status, describeOutcome(outcome)).to.equal(4);
        const { error } = JSON.parse(outcome.stdout) as { error: { problems: { fd: number; transient?: boolean }[] } };
        expect(error.problems.map(({ fd, transient }) => ({ fd, transient }))).to.deep.equal([{ fd: 7, transient: true }]);
        expect(existsSync(image)).to.equal(false);
        for (const fault of ["dump.again", "dump.again:2=kill"]) {
          const args = ["dump", "-t", String(pair.tree.pid), "-D", image];
          const failed = await faulty(fault, args);
          if (fault.endsWith("kill")) expect(failed.signal, describeOutcome(failed)).to.equal("SIGKILL");
          else expect(failed.stderr, describeOutcome(failed)).to.include("E_FAULT");
          await untraced(pair.tree.pid);
          await pair.carriesOut(`: still here after ${fault}`);
        }
      },
      OPEN,
    );
  });

  for (const point of ["dump.frozen", "dump.core", "dump.core:2", "dump.collected", "dump.head:2"]) {
    it(`of which a task is killed (${point})`, async () => {
      await acting(
        point,
        async (pair) => {
          process.kill(pair.child, "SIGKILL");
          await until("it to have ended", () => stateOf(pair.child) === "Z");
        },
        async (pair, outcome, image) => {
          expect(codeOf(outcome), describeOutcome(outcome)).to.equal("E_TARGET_DIED");
          expect(outcome.status).to.equal(3);
          expect(existsSync(image)).to.equal(false);
          await pair.tree.gone([pair.tree.pid, pair.child]);
        },
      );
    });
  }

  it("whose root is killed while it is frozen", async () => {
    await acting(
      "dump.collected",
      async (pair) => {
        process.kill(pair.tree.pid, "SIGKILL");
        await until("it to have ended", () => stateOf(pair.tree.pid) === "Z");
      },
      async (pair, outcome, image) => {
        expect(codeOf(outcome), describeOutcome(outcome)).to.equal("E_TARGET_DIED");
        expect(existsSync(image)).to.equal(false);
        // an orphan, but alive
        await pair.carriesOut(": still here");
        process.kill(pair.child, "SIGKILL");
      },
    );
  });

  it("of which a task is killed when everything has been copied: it is in the image", async () => {
    await acting(
      "dump.copied",
      async (pair) => {
        process.kill(pair.child, "SIGKILL");
        await until("it to have ended", () => stateOf(pair.child) === "Z");
      },
      async (pair, outcome, image) => {
        expect(outcome.status, describeOutcome(outcome)).to.equal(0);
        await pair.tree.gone([pair.tree.pid, pair.child]);
        await pair.tree.restore(image);
        await pair.carriesOut(": still here");
      },
    );
  });

  it("that ends before it is frozen", async () => {
    await acting(
      "dump.checked",
      async (pair) => {
        process.kill(pair.tree.pid, "SIGKILL");
        await pair.tree.gone([pair.tree.pid]);
      },
      async (pair, outcome, image) => {
        expect(codeOf(outcome), describeOutcome(outcome)).to.equal("E_TARGET_DIED");
        expect(existsSync(image)).to.equal(false);
        await pair.carriesOut(": still here");
        process.kill(pair.child, "SIGKILL");
      },
    );
  });
});

describe("faults: two commands for one tree", () => {
  for (const point of ["dump.frozen", "dump.seize:2"]) {
    it(`a second dump while the first is on its way (${point}) is refused, and the first goes on`, async () => {
      await withJournal(await workload(), async (program) => {
        const before = viewTree(program.pid);
        const first = program.newImage();
        const second = program.newImage();
        const paused = await pausedAt(point, ["dump", "-t", String(program.pid), "-D", first, "--leave-running"]);
        const error = await mustFail("E_TRACED", 3, ["dump", "-t", String(program.pid), "-D", second]);
        expect(error.message).to.include(String(paused.pid));
        expect(existsSync(second)).to.equal(false);
        const outcome = await paused.go();
        expect(outcome.status, describeOutcome(outcome)).to.equal(0);
        await unharmed(program, before);
        await program.cycle();
        await program.verify();
        await program.finish();
      });
    });
  }

  it("two dumps at the same moment: one image at least, and one clear error at most", async () => {
    await withJournal(await workload(), async (program) => {
      const before = viewTree(program.pid);
      const dump = (): Promise<Outcome> =>
        crctl(["dump", "-t", String(program.pid), "-D", program.newImage(), "--leave-running", "--json"]);
      for (let time = 0; time < 3; time++) {
        const outcomes = await Promise.all([dump(), dump()]);
        const failed = outcomes.filter(({ status }) => status !== 0);
        expect(failed.length, outcomes.map(describeOutcome).join("\n")).to.be.lessThan(2);
        for (const outcome of failed) expect(codeOf(outcome), describeOutcome(outcome)).to.equal("E_TRACED");
        await unharmed(program, before);
      }
      await program.cycle();
      await program.verify();
      await program.finish();
    });
  });

  it("a second restore while the first is on its way is refused, and the first goes on", async () => {
    await withJournal(await workload(), async (program) => {
      const image = program.newImage();
      const pids = pidsOfTree(program.pid);
      const before = viewTree(program.pid);
      await program.dump(image);
      await program.gone(pids);
      // the executor is what stops, and the tree with it
      const first = crctl(["restore", "-D", image, "-d"], { env: { ...process.env, CRCTL_FAULT: "executor.gate=stop" } });
      const executor = await until("the executor to stop", () => stoppedParent(program.pid));
      await mustFail("E_PID_IN_USE", 6, ["restore", "-D", image, "-d"]);
      process.kill(executor, "SIGCONT");
      const outcome = await first;
      expect(outcome.status, describeOutcome(outcome)).to.equal(0);
      await unharmed(program, before);
      await program.verify();
      await program.finish();
    });
  });
});

/** The parent of a task, if it is stopped. */
function stoppedParent(pid: number): number | undefined {
  if (stateOf(pid) === undefined) return undefined;
  const parent = Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return stateOf(parent) === "T" ? parent : undefined;
}

describe("faults: too few descriptors", () => {
  const limited = (limit: number, args: readonly string[]): Promise<Outcome> =>
    run("prlimit", [`--nofile=${limit}:${limit}`, process.execPath, CRCTL, ...args, "--json"]);

  /** Node needs so many itself. */
  const FEWEST = 20;
  const ENOUGH = 200;

  /** More and more of them, until there are enough. Each failure is one clear error. */
  async function untilEnough(args: readonly string[], check: () => Promise<void>): Promise<void> {
    let failures = 0;
    for (let limit = FEWEST; ; limit += 2) {
      const outcome = await limited(limit, args);
      if (outcome.status === 0) break;
      failures++;
      await naming(`a limit of ${limit}`, async () => {
        const about = describeOutcome(outcome);
        expect(outcome.status, about).to.equal(9);
        expect(codeOf(outcome), about).to.equal("E_IO");
        expect(outcome.stdout, about).to.include("EMFILE").and.to.include("ulimit -n");
        await check();
      });
      expect(limit).to.be.lessThan(ENOUGH);
    }
    expect(failures).to.be.greaterThan(0);
  }

  it("the tree goes on, and nothing is left", async () => {
    await withJournal(await workload(), async (program) => {
      const before = viewTree(program.pid);
      const image = program.newImage();
      await untilEnough(["dump", "-t", String(program.pid), "-D", image, "--leave-running"], async () => {
        await unharmed(program, before);
        expect(existsSync(image)).to.equal(false);
      });
      await unharmed(program, before);
      await program.verify();
      await program.finish();
    });
  });

  it("nothing of the tree is restored, and nothing is left", async () => {
    await withJournal(await workload(), async (program) => {
      const image = program.newImage();
      const pids = pidsOfTree(program.pid);
      const tids = tidsOfTree(program.pid);
      const before = viewTree(program.pid);
      await program.dump(image);
      await program.gone(pids);
      const clean = new Clean(tids, [program.directory, image]);
      await untilEnough(["restore", "-D", image, "-d"], () => clean.check());
      await program.mustLookLike(before);
      await program.verify();
      await program.finish();
    });
  });
});
