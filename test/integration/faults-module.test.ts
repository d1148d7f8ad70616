/** Steps of the module that fail, in a module that was built for it (make test-faults); otherwise there is nothing to test. */

import { expect } from "chai";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { HAS_PROTECTION_KEYS } from "./lib/cpu.js";
import { crctl, describeOutcome, run, type Outcome } from "./lib/crctl.js";
import { Clean, naming, share, specification, tidsOfTree, unharmed } from "./lib/faults.js";
import { newDirectory } from "./lib/directories.js";
import { REPO } from "./lib/paths.js";
import { pidsOfTree, viewTree } from "./lib/procfs.js";
import { Peer } from "./lib/peer.js";
import { Herd, Program } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";

const PARAMETER = "/sys/module/crctl/parameters/fault";

/** What kmod/fault.h lists, in its order. */
function points(...areas: readonly string[]): string[] {
  const header = readFileSync(`${REPO}/kmod/fault.h`, "utf8");
  return [...header.matchAll(/^\tX\([A-Z_]+, "([a-z.]+)"/gm)].flatMap(([, name = ""]) =>
    areas.includes(name.split(".", 1)[0] ?? "") && !ELSEWHERE.includes(name) ? [name] : [],
  );
}

/** Of points that are passed more than once, times that are not the first. */
const LATER = [
  "dump.thread:4",
  "dump.note:40",
  "dump.descriptors:2",
  // a terminal's, then a connection's
  "dump.extra:2",
  "dump.cow:2",
  "dump.splice:3",
  "mfd.lookup:5",
  "load.read:4",
  "restore.map:30",
  "restore.cow:3",
  "restore.attach:3",
  "restore.policy:9",
  "restore.fill:7",
  ...(HAS_PROTECTION_KEYS ? ["restore.keys:2"] : []),
  "restore.clone:2",
  "restore.thread:5",
  "restore.regs:6",
  "restore.locks:3",
];

const laterIn = (...areas: readonly string[]): string[] => LATER.filter((fault) => areas.includes(fault.split(".", 1)[0] ?? ""));

/** Points that a machine without the thing never comes to. */
const ELSEWHERE = HAS_PROTECTION_KEYS ? [] : ["restore.keys"];

/** A tree that has something for each point: threads, timers, advice, terminals, connections ... */
function herd(): Promise<Herd> {
  return Herd.gather([
    { program: "random_tree", args: [specification(newDirectory())] },
    { program: "posix_timers" },
    { program: "locks" },
    { program: "posix_mq" },
    { program: "advice" },
    { program: "mempolicy" },
    { program: "pty_unread" },
    { program: "tcp_connected", args: ["100000"] },
    { program: "udp" },
    { program: "unix_peer" },
    { program: "sysv_shm" },
    { program: "sysv_sem" },
    { program: "cow_shared" },
    { program: "leader_gone" },
    ...(HAS_PROTECTION_KEYS ? [{ program: "pkeys" }] : []),
  ]);
}

/** Where the first pages come with other bytes, those are returned, and the one error is not met again. */
const HIDDEN = ["dump.read", "dump.splice"];

async function finish(all: Herd): Promise<void> {
  for (const member of all.members) await member.finish();
  await all.finish();
}

function mustHaveFailed(outcome: Outcome): void {
  expect(outcome.status, describeOutcome(outcome)).to.be.oneOf([4, 6, 8, 9]);
}

/** Has the next command come to the point, which must have failed it. */
async function failing(fault: string, args: readonly string[]): Promise<Outcome> {
  writeFileSync(PARAMETER, fault);
  const outcome = await crctl([...args, "--json"]);
  expect(readFileSync(PARAMETER, "utf8"), `it was not reached\n${describeOutcome(outcome)}`).to.equal("\n");
  return outcome;
}

// who asks for these must have the module for it
if (existsSync(PARAMETER) || process.env.CRCTL_MODULE_FAULTS !== undefined) {
  describe("faults: in the module", () => {
    afterEach(() => {
      writeFileSync(PARAMETER, "\n");
    });

    it("a dump fails, and the tree goes on", async () => {
      await withJournal(await herd(), async (all) => {
        const before = viewTree(all.pid);
        for (const fault of share([...points("dump", "mfd"), ...laterIn("dump", "mfd")])) {
          if (HIDDEN.includes(fault)) continue;
          await naming(fault, async () => {
            const image = all.newImage();
            mustHaveFailed(await failing(fault, ["dump", "-t", String(all.pid), "-D", image]));
            await unharmed(all, before);
            expect(existsSync(image)).to.equal(false);
          });
        }
        await all.cycle();
        await finish(all);
      });
    });

    it("a dump that is to keep connections fails, and they go on", async () => {
      const peer = await Peer.start("127.0.0.1");
      const program = await Program.start("tcp_kept", [peer.host, String(peer.port)]);
      for (const fault of [...points("net"), "net.hold:3"]) {
        await naming(fault, async () => {
          const image = program.newImage();
          mustHaveFailed(await failing(fault, ["dump", "-t", String(program.pid), "-D", image, "--tcp-keep"]));
          expect(existsSync(image)).to.equal(false);
          expect(readFileSync("/proc/net/crctl", "utf8")).to.equal("");
        });
      }
      const image = program.newImage();
      await program.dump(image, ["--tcp-keep"]);
      // by crctl, then by its executor; those that were left need nothing more to be held
      for (const fault of ["net.open", "net.open:2"])
        await naming(fault, async () => {
          mustHaveFailed(await failing(fault, ["restore", "-D", image, "-d"]));
        });
      await program.restore(image);
      peer.say();
      peer.goOn();
      await program.finish();
      expect(peer.wrong).to.deep.equal([]);
      peer.stop();
    });

    it("reading fails", async () => {
      await withJournal(await herd(), async (all) => {
        const [member] = all.members;
        if (member === undefined) throw new Error("an empty herd");
        const before = viewTree(member.pid);
        process.kill(member.pid, "SIGSTOP");
        for (const fault of ["dump.read:2", "dump.read:20"]) {
          writeFileSync(PARAMETER, fault);
          const { status, stderr } = await run("cat", [`/proc/${member.pid}/dump`]);
          expect(status, fault).to.equal(1);
          expect(stderr).to.include("Input/output error");
        }
        process.kill(member.pid, "SIGCONT");
        await member.mustLookLike(before);
        await finish(all);
      });
    });

    it("a restore fails, and nothing is left", async () => {
      await withJournal(await herd(), async (all) => {
        const image = all.newImage();
        const pids = pidsOfTree(all.pid);
        const tids = tidsOfTree(all.pid);
        const before = viewTree(all.pid);
        await all.dump(image);
        await all.gone(pids);
        const clean = new Clean(tids, [all.directory, image]);
        for (const fault of share([...points("load", "restore"), ...laterIn("load", "restore")])) {
          await naming(fault, async () => {
            mustHaveFailed(await failing(fault, ["restore", "-D", image, "-d"]));
            await clean.check();
          });
        }
        await all.restore(image);
        await all.mustLookLike(before);
        await finish(all);
      });
    });

    it("a point that there is not", () => {
      for (const text of ["dump.nothing", "dump.open:0", "dump.open:x", ":1", "x".repeat(100), "executor.gate"]) {
        expect(() => {
          writeFileSync(PARAMETER, text);
        }, text).to.throw("EINVAL");
      }
    });
  });
}
