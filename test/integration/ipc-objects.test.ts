/** System V semaphores and message queues: as they are saved and restored, and when they meet others. */

import { expect } from "chai";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describeOutcome, must, mustFail, run, type Outcome } from "./lib/crctl.js";
import { faulty, naming } from "./lib/faults.js";
import { withHelper, withHelpers } from "./lib/helper.js";
import { PROGRAMS } from "./lib/paths.js";
import { Program } from "./lib/program.js";
import { describeRows, withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

const KEY = 0x43525453;

type Kind = "sem" | "msg";

/** A tool of the tests, and what it prints. */
async function sysv(kind: Kind, ...args: readonly (string | number)[]): Promise<string> {
  const outcome = await run(path.join(PROGRAMS, "sysv"), [kind, ...args.map(String)]);
  expect(outcome.status, describeOutcome(outcome)).to.equal(0);
  return outcome.stdout.trim();
}

/** proc_sysvipc(5) */
function objects(kind: Kind): { key: number; id: number }[] {
  const lines = readFileSync(`/proc/sysvipc/${kind}`, "utf8").split("\n").slice(1, -1);
  return lines.map((line) => {
    const [key = 0, id = -1] = line.trim().split(/\s+/).map(Number);
    return { key, id };
  });
}

const idOf = (kind: Kind): number => objects(kind).find(({ key }) => key === KEY)?.id ?? -1;

/** Somebody who uses it until he is let go. */
const withUser = (kind: Kind, args: readonly (string | number)[], act: (pid: number) => Promise<void>): Promise<void> =>
  withHelper("sysv", [kind, ...args], act);
const withUsers = (kind: Kind, args: readonly (string | number)[], act: (pid: number) => Promise<void>): Promise<void> =>
  withHelpers("sysv", [kind, ...args], act);

/** What differs between the kinds. */
const KINDS = {
  sem: {
    title: "System V semaphores",
    program: "sem_hold",
    name: "semaphore set",
    shown: `System V semaphores ID (key 0x${KEY.toString(16)}), 3 semaphores, undone at the end of PID`,
    /** when the tree has ended, with what that has undone; and when somebody has used it since */
    stays: "7 2 0",
    use: ["op", "ID", 1, 1],
    used: "7 3 0",
    hold: ["undo", "ID", 1, 1],
    steps: ["executor.op.semaphores", "executor.op.semaphores-adjust", "executor.op.exec", "executor.loaded", "executor.op.semaphores-set"],
  },
  msg: {
    title: "System V message queues",
    program: "msg_hold",
    name: "message queue",
    shown: `System V message queue ID (key 0x${KEY.toString(16)}), 2 messages, 11`,
    stays: "3:first 1:second",
    use: ["send", "ID", 5, "third"],
    used: "3:first 1:second 5:third",
    hold: ["send", "ID", 5, "x", "hold"],
    steps: ["executor.op.queue", "executor.op.queue-mark", "executor.op.exec", "executor.loaded", "executor.op.queue-set"],
  },
} as const;

describeRows("System V semaphores and message queues", [{ program: "sysv_sem" }, { program: "sysv_msg" }]);

for (const kind of ["sem", "msg"] as const) {
  const { title, program: name, name: object, shown, stays, use, used, hold, steps } = KINDS[kind];

  describe(`${title} that meet others`, () => {
    const withId = (args: readonly (string | number)[], id: number): (string | number)[] => args.map((arg) => (arg === "ID" ? id : arg));
    const holder = (): Promise<Program> => Program.start(name, [KEY.toString(16)]);
    const refused = (image: string): Promise<unknown> => mustFail("E_CONFLICT", 6, ["restore", "-d", "-D", image]);
    const restore = (fault: string, image: string): Promise<Outcome> => faulty(fault, ["restore", "-d", "-D", image, "--json"]);

    // what a test that failed has left
    afterEach(async () => {
      for (const { id, key } of objects(kind)) if (key === KEY) await sysv(kind, "remove", id);
    });

    /** Dumps a program that has one, which stays; `act`; then the program must come back. */
    async function away(act: (image: string, id: number, pid: number) => Promise<void>): Promise<void> {
      await withJournal(await holder(), async (program) => {
        const image = program.newImage();
        const id = idOf(kind);
        await program.dump(image);
        await program.gone([program.pid]);
        expect(await sysv(kind, "get", id)).to.equal(stays);
        await act(image, id, program.pid);
        await program.restore(image);
        expect(idOf(kind)).to.equal(id);
        // another generation
        await program.cycle();
        await program.finish();
        expect(idOf(kind)).to.equal(-1);
      });
    }

    it("one that somebody else uses", async () => {
      await withJournal(await holder(), async (program) => {
        await withUsers(kind, withId(hold, idOf(kind)), async (pid) => {
          const error = await mustFail("E_EXTERNAL", 4, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
          expect(JSON.stringify(error)).to.match(new RegExp(`${object} ${idOf(kind)} .*process ${pid} \\(sysv\\)`));
        });
        process.kill(program.pid, "SIGKILL");
        await program.gone([program.pid]);
      });
    });

    it("one that stayed gets what the image has", async () => {
      await away(async (image, id, pid) => {
        expect((await must(["show", image])).stdout).to.include(shown.replace("ID", String(id)).replace("PID", String(pid)));
        await sysv(kind, ...withId(use, id));
        const { stderr } = await must(["restore", "-D", image, "--check"]);
        expect(stderr).to.match(/is there, used by nobody/);
        // only the check, which has altered nothing
        expect(await sysv(kind, "get", id)).to.equal(used);
      });
    });

    it("one that has gone is made again", async () => {
      await away(async (_, id) => {
        await sysv(kind, "remove", id);
      });
    });

    it("another one has its key, its id, or its place", async () => {
      await away(async (image, id) => {
        await sysv(kind, "remove", id);
        for (const [key, other] of [
          [KEY, id + 1],
          [KEY + 1, id],
          [0, id + 32768],
        ] as const) {
          expect(await sysv(kind, "make", key.toString(16), 3, other)).to.equal(String(other));
          await sysv(kind, ...withId(use, other));
          const before = await sysv(kind, "get", other);
          await refused(image);
          expect(await sysv(kind, "get", other)).to.equal(before);
          await sysv(kind, "remove", other);
          expect(idOf(kind)).to.equal(-1);
        }
      });
    });

    it("one that stayed, and somebody uses it", async () => {
      await away(async (image, id) => {
        await withUsers(kind, withId(hold, id), async () => {
          await refused(image);
        });
      });
    });

    it("a restore that fails leaves one that stayed as it was", async () => {
      await away(async (image, id) => {
        await sysv(kind, ...withId(use, id));
        for (const fault of [...steps, "executor.gate"]) {
          // a message queue that has been changed stays so
          if (fault === "executor.gate" && kind === "msg") continue;
          await naming(fault, async () => {
            const outcome = await restore(fault, image);
            expect(outcome.status, describeOutcome(outcome)).to.equal(6);
            expect(await sysv(kind, "get", id)).to.equal(used);
          });
        }
      });
    });

    it("a restore that fails takes away what it has made", async () => {
      await away(async (image, id) => {
        await sysv(kind, "remove", id);
        for (const fault of [...steps, "executor.gate", "executor.loaded=die", "executor.gate=die"]) {
          await naming(fault, async () => {
            const outcome = await restore(fault, image);
            expect(outcome.status, describeOutcome(outcome)).to.equal(6);
            await until("it to be gone", () => objects(kind).every((found) => found.id !== id && found.key !== KEY));
          });
        }
      });
    });
  });
}

describe("System V semaphores", () => {
  it("one that somebody else waits for, or has something to undo of", async () => {
    await withJournal(await Program.start("sem_hold", [KEY.toString(16)]), async (program) => {
      const id = idOf("sem");
      const dump = (): Promise<unknown> => mustFail("E_EXTERNAL", 4, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
      await sysv("sem", "op", id, 1, -2);
      await withUser("sem", ["wait", id, 1], async (pid) => {
        // it has said so before it waits: in semop or semtimedop, which is not told of a task that runs
        await until("it to wait", () => /^(65|220) /.test(readFileSync(`/proc/${pid}/syscall`, "utf8")));
        expect(JSON.stringify(await dump())).to.match(/waits for it in semop/);
      });
      await sysv("sem", "op", id, 1, 1);
      await withUser("sem", ["undo", id, 1, 1], async () => {
        // somebody else, who has ended, was the last
        await sysv("sem", "op", id, 1, 1);
        await sysv("sem", "op", id, 1, -1);
        expect(JSON.stringify(await dump())).to.match(/operations on it to be undone/);
      });
      process.kill(program.pid, "SIGKILL");
      await program.gone([program.pid]);
      await sysv("sem", "remove", id);
    });
  });
});
