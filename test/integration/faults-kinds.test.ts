/**
 * A restore that fails with sockets, terminals, locks and what tells of events in its tree: each kind of operation in turn. Nothing is left, no
 * socket's path, no terminal, no name, and the next restore works.
 */

import { expect } from "chai";
import { lstatSync, readFileSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { describeOutcome, must, run, type Outcome } from "./lib/crctl.js";
import { Clean, faulty, naming, share, tidsOfTree } from "./lib/faults.js";
import { PACE } from "./lib/pace.js";
import { PROGRAMS as BIN } from "./lib/paths.js";
import { pidsOfTree, viewTree } from "./lib/procfs.js";
import { Herd } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

const PROGRAMS = [
  "unix_stream",
  "unix_named",
  "unix_passed",
  "unix_gone",
  "unix_moved",
  "unix_queue",
  "tcp_listen",
  "tcp_connected",
  "udp",
  "netlink",
  "socket_filter",
  "proc_files",
  "eventfd",
  "timerfd",
  "signalfd",
  "epoll",
  "pidfd",
  "inotify",
  "pty_pair",
  "pty_session",
  "pty_unread",
  "locks",
  "async",
  "sysv_shm",
  "sysv_sem",
  "sysv_msg",
  "posix_mq",
  "leader_gone",
];

interface PlannedOp {
  op: string;
}
interface Planned {
  plan: {
    create: PlannedOp[];
    fork: PlannedOp[];
    settle: PlannedOp[];
    finish: PlannedOp[];
    processes: { stages: Record<string, PlannedOp[]> }[];
  };
}

/** Of each kind of operation the first, and the last where there are several: `executor.op.NAME:NTH`. */
async function steps(image: string): Promise<string[]> {
  const { stdout } = await must(["restore", "-D", image, "--check", "--json"]);
  const { plan } = JSON.parse(stdout) as Planned;
  const all = [plan.create, plan.fork, plan.settle, plan.finish, ...plan.processes.flatMap(({ stages }) => Object.values(stages))].flat();
  const counts = new Map<string, number>();
  for (const { op } of all) counts.set(op, (counts.get(op) ?? 0) + 1);
  return [...counts].flatMap(([op, count]) => [`executor.op.${op}`, ...(count > 1 ? [`executor.op.${op}:${count}`] : [])]);
}

function socketsIn(directories: readonly string[]): string[] {
  return directories
    .flatMap((directory) => readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => path.join(directory, name)))
    .filter((file) => lstatSync(file).isSocket());
}

/** TCP and UDP sockets: where they are, with whom, and their state. */
function sockets(): string[] {
  return ["tcp", "tcp6", "udp", "udp6"].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, "utf8")
      .split("\n")
      .slice(1, -1)
      .map((line) => `${table} ${line.trim().split(/\s+/).slice(1, 4).join(" ")}`),
  );
}

/** Those that only the kernel remembers, for a minute (TIME_WAIT). */
const isRemembered = (socket: string): boolean => socket.startsWith("tcp") && socket.endsWith(" 06");

const ports = (): string[] => sockets().filter((socket) => !isRemembered(socket));
const remembers = (): boolean => sockets().some(isRemembered);

/** Segments of System V shared memory: id, key, and by how many mappings each is attached. */
function segments(): { id: number; key: number; attached: number }[] {
  return readFileSync("/proc/sysvipc/shm", "utf8")
    .split("\n")
    .slice(1, -1)
    .map((line) => {
      const [key = 0, id = 0, , , , , attached = 0] = line.trim().split(/\s+/).map(Number);
      return { id, key, attached };
    });
}

/** Ids of sets of semaphores, or of message queues. */
function sysvIds(kind: "sem" | "msg"): number[] {
  const lines = readFileSync(`/proc/sysvipc/${kind}`, "utf8").split("\n").slice(1, -1);
  return lines.map((line) => Number(line.trim().split(/\s+/)[1]));
}

/** What a failed restore could leave beyond tasks and files: terminals, and names of sockets, of which each line's last is one. */
function leftovers(): { terminals: string[]; names: string[] } {
  const lines = readFileSync("/proc/net/unix", "utf8").split("\n").slice(1);
  const names = lines.flatMap((line) =>
    line
      .split(" ")
      .slice(7)
      .filter((name) => name.includes("crctl")),
  );
  return { terminals: readdirSync("/dev/pts").sort(), names: names.sort() };
}

function code({ stdout }: Outcome): string {
  return (JSON.parse(stdout) as { error: { code: string } }).error.code;
}

describe("faults: a restore with all kinds of descriptors", function () {
  this.timeout(1_200_000 * PACE);

  it("that fails at any step, or whose executor is killed: nothing is left", async () => {
    await withJournal(await Herd.gather(PROGRAMS.map((program) => ({ program }))), async (herd) => {
      const image = herd.newImage();
      const pids = pidsOfTree(herd.pid);
      const tids = tidsOfTree(herd.pid);
      const before = viewTree(herd.pid);
      const begin = process.hrtime.bigint();
      await herd.dump(image);
      const away = process.hrtime.bigint();
      await herd.gone(pids);
      const directories = herd.members.map(({ directory }) => directory);
      // files that nobody is bound to any more: the first restore that comes so far takes their place
      for (const file of socketsIn(directories)) rmSync(file);
      // of the System V objects that stayed some are taken over, the others made again
      for (const { id } of segments().filter((_, i) => i % 2 === 0)) {
        expect((await run(path.join(BIN, "segment"), ["remove", String(id)])).status).to.equal(0);
      }
      for (const kind of ["sem", "msg"] as const) {
        for (const id of sysvIds(kind).filter((_, i) => i % 2 === 0)) {
          expect((await run(path.join(BIN, "sysv"), [kind, "remove", String(id)])).status).to.equal(0);
        }
      }
      const clean = new Clean(tids, [herd.directory, image, ...directories]);
      const nothing = leftovers();
      const stayed = segments();
      const taken = new Set(ports());
      const check = async (fault: string, act: () => Promise<void>): Promise<void> =>
        naming(fault, async () => {
          await act();
          await clean.check();
          expect(leftovers()).to.deep.equal(nothing);
          expect(segments()).to.deep.equal(stayed);
          // the ends of a connection tell each other
          await until(
            () => `no address to be taken, but ${ports().join(", ")}`,
            () => ports().every((socket) => taken.has(socket)),
          );
          expect(socketsIn(directories)).to.deep.equal([]);
        });
      const restore = (fault: string): Promise<Outcome> => faulty(fault, ["restore", "-D", image, "-d", "--json"]);

      for (const fault of share(await steps(image))) {
        await check(fault, async () => {
          const outcome = await restore(fault);
          expect(outcome.status, describeOutcome(outcome)).to.equal(6);
          expect(code(outcome), describeOutcome(outcome)).to.equal("E_RESTORE_FAILED");
        });
      }
      for (const fault of [
        "executor.op.socket-file=die",
        "executor.op.accept=die",
        "executor.op.send=die",
        "executor.op.tcp-open:4=die",
        "executor.op.tcp-send=die",
        "executor.op.segment-fill=die",
        "executor.op.segment-set=die",
        "executor.op.semaphores-adjust=die",
        "executor.op.semaphores-set=die",
        "executor.op.queue-mark=die",
        "executor.op.queue-set=die",
        "executor.op.mqueue:2=die",
        "executor.gate=die",
      ]) {
        await check(fault, async () => {
          const outcome = await restore(fault);
          expect(code(outcome), describeOutcome(outcome)).to.equal("E_RESTORE_FAILED");
        });
      }
      // its connections have ended as those of a program do that was killed: the kernel remembers them for a minute
      await until("addresses to be forgotten", () => !remembers(), 90_000);
      // what a killed command leaves is no more than a file that nobody is bound to
      await naming("executor.op.send=kill", async () => {
        const outcome = await restore("executor.op.send=kill");
        expect(outcome.signal, describeOutcome(outcome)).to.equal("SIGKILL");
        await herd.gone(pids);
      });

      const restoring = process.hrtime.bigint();
      await herd.restore(image);
      herd.wasAway(restoring - away, process.hrtime.bigint() - begin);
      await herd.mustLookLike(before);
      for (const member of herd.members) await member.verify();
      for (const member of herd.members) await member.finish();
    });
  });
});
