/** What cannot be saved yet ends the dump with its name, before anything is frozen for long; the tree goes on. */

import { expect } from "chai";
import { release } from "node:os";
import path from "node:path";
import { mustFail, type ReportedError } from "./lib/crctl.js";
import { keep, killAll, releaseAll } from "./lib/leftovers.js";
import { PACE } from "./lib/pace.js";
import { newDirectory } from "./lib/directories.js";
import { pidsOfTree } from "./lib/procfs.js";
import { Herd, Program } from "./lib/program.js";

/** The argument of refused, and what a person must be able to read about it. */
const EVERYWHERE: readonly (readonly [string, RegExp])[] = [
  ["unix-socket", /connected to a socket of a task that is not in the tree/],
  ["tcp-urgent", /TCP connection.*urgent data/],
  ["tcp-closing", /TCP connection.*closed.*on its way/],
  ["tcp-translated", /TCP connection.*not in the tree/],
  ["tcp-elsewhere", /TCP connection.*network namespace/],
  ["udp-chosen", /UDP socket.*chooses/],
  ["udp-multicast", /UDP socket.*multicast/],
  ["netlink-generic", /netlink socket.*protocol 16/],
  ["netlink-unread", /netlink socket.*not read/],
  ["socket-filter", /an eBPF program is attached/],
  ["filter-exposed", /a filter is attached.*others may send/],
  ["socket-stranger", /is from process \d+, which is not in the tree/],
  ["socket-one-way", /a socket without a name, which is not connected to it/],
  ["epoll-lost-target", /watches something/],
  ["inotify-unread", /have not been read/],
  ["inotify-deleted", /no name is found/],
  ["io_uring", /io_uring/],
  ["userfaultfd", /userfaultfd/],
  ["pidfd-outside", /not in the tree/],
  ["perf", /perf/],
  ["pty-locked-settings", /settings of it are locked/],
  ["message-queue", /queue/i],
  ["aio", /aio|asynchronous/i],
  ["lease-deleted", /lease/],
  ["deleted-cwd", /directory/],
  ["proc-file", /shows a process/],
  ["proc-cwd", /working directory.*shows a process/],
  ["sysv-mapped", /System V.*shmat/],
  ["ldt", /LDT|descriptor table/i],
  ["tls-segment", /segment/],
  ["shared-policy", /memory policy.*shared memory with a NUMA policy/],
  ["memfd-policy", /memory policy.*descriptor \d+/],
  ["huge-policy", /memory policy.*shared memory with a NUMA policy/],
  ["ioperm", /I\/O|port/i],
  ["cpu-timer", /timer/],
  ["cpu-sleep", /CPU clock/],
  ["clone-vm", /shares? .*memory|memory .*shared/i],
  ["clone-files", /shares? .*descriptor|descriptor table/i],
  ["clone-fs", /shares?|shared/i],
  ["clone-sysvsem", /undone.*shared with process/],
  ["undo-of-thread", /undone.*CLONE_SYSVSEM/],
  ["clone-sighand", /shares?|shared/i],
  ["user-ns", /namespace/],
  ["uts-ns", /namespace/],
  ["net-ns", /namespace/],
  ["ipc-ns", /namespace/],
  ["mount-ns", /namespace/],
  ["cgroup-ns", /namespace/],
  ["pid-ns-for-children", /namespace/],
  ["time-ns-for-children", /namespace/],
  ["leader-killed", /leader/],
  ["ia32", /32-bit/],
  ["raw-socket", /RAW socket.*not saved/],
  ["packet-socket", /PACKET socket.*not saved/],
  ["device", /kmsg.*state of this device/],
  ["bpf-map", /BPF map/],
  ["bpf-program", /BPF program/],
  ["death-signal", /parent death signal/],
];

/** What newer kernels added, and the first Debian kernel (in hundreds: 6.12 is 612) of those that are tested that has it. */
const SINCE: readonly (readonly [number, string, RegExp])[] = [
  [601, "syscall-dispatch", /dispatch/i],
  [612, "mdwe", /MDWE/],
  [612, "secret-memory", /memfd_secret/],
  [612, "secret-descriptor", /memfd_secret/],
  [612, "memory-merge", /MEMORY_MERGE/],
  [612, "mseal", /flags/],
  [703, "guard", /guard/],
  [703, "thp-advised", /EXCEPT_ADVISED/],
  [703, "timer-ids", /TIMER_CREATE_RESTORE_IDS/],
  [703, "autoreap", /AUTOREAP/],
];

/** What only the stopped tree shows, or only the module. */
const UNSEEN: ReadonlySet<string> = new Set([
  ...[
    "tcp-urgent",
    "tcp-closing",
    "tcp-elsewhere",
    "udp-chosen",
    "udp-multicast",
    "socket-filter",
    "filter-exposed",
    "socket-stranger",
    "socket-one-way",
  ],
  ...["sysv-mapped", "ldt", "tls-segment", "ioperm", "clone-sighand", "syscall-dispatch", "mdwe", "memory-merge", "guard", "thp-advised"],
  ...["timer-ids", "autoreap", "death-signal", "netlink-unread", "memfd-policy", "clone-sysvsem", "undo-of-thread"],
]);

const [major = 0, minor = 0] = release().split(".").map(Number);
const TOGETHER = [
  ...EVERYWHERE,
  ...SINCE.filter(([since]) => since <= 100 * major + minor).map(([, kind, words]) => [kind, words] as const),
];

/** These keep a tree from being frozen or looked at as a whole, so each is tried by itself. */
const ALONE: readonly (readonly [string, string, number, RegExp])[] = [
  ["vfork", "E_UNSUPPORTED", 4, /vfork/],
  ["traced", "E_TRACED", 3, /traced|tracer/],
];

function image(): string {
  return path.join(newDirectory(), "image");
}

describe("refusals", () => {
  let herd: Herd;
  let error: ReportedError;
  let seen: ReportedError;

  it("all that stands in the way is named at once", async function () {
    this.timeout(600_000 * PACE);
    herd = await Herd.gather(TOGETHER.map(([kind]) => ({ program: "refused", args: [kind] })));
    keep(herd.pid, ...herd.members.map(({ pid }) => pid));
    // before any stop: a sleep that was interrupted does not tell its clock any more
    seen = await mustFail("E_UNSUPPORTED", 4, ["dump", "--dry-run", "-t", String(herd.pid)]);
    error = await mustFail("E_UNSUPPORTED", 4, ["dump", "-t", String(herd.pid), "-D", image()]);
  });

  it("a look without a stop names most of it, and nothing else", () => {
    const kindOf = (pid: number | undefined): string | undefined =>
      TOGETHER[herd.members.findIndex((member) => pid !== undefined && pidsOfTree(member.pid).includes(pid))]?.[0];
    const told = new Set(error.problems?.map((problem) => kindOf(problem.pid)));
    for (const problem of seen.problems ?? []) {
      expect(told.has(kindOf(problem.pid)), JSON.stringify(problem)).to.equal(true);
      // the same words, of the same task and descriptor
      const same = (error.problems ?? []).filter(({ pid, fd }) => pid === problem.pid && fd === problem.fd);
      expect(
        same.map(({ object }) => object),
        JSON.stringify(problem),
      ).to.include(problem.object);
    }
    const kinds = new Set(seen.problems?.map((problem) => kindOf(problem.pid)));
    const missing = TOGETHER.map(([kind]) => kind).filter((kind) => !kinds.has(kind));
    expect(missing.filter((kind) => !UNSEEN.has(kind))).to.deep.equal([]);
  });

  for (const [index, [kind, words]] of TOGETHER.entries()) {
    it(kind, async () => {
      const member = herd.members[index];
      if (member === undefined) throw new Error("the herd has not come together");
      const tasks = pidsOfTree(member.pid);
      const about = (error.problems ?? [error]).filter(({ pid }) => pid !== undefined && tasks.includes(pid));
      expect(
        about,
        `nothing is said about ${tasks.join(" ")}; what is said: ${JSON.stringify(error.problems, null, 1)}`,
      ).to.have.length.above(0);
      expect(about.map((problem) => JSON.stringify(problem)).join("\n")).to.match(words);
      for (const problem of about) expect(problem).to.have.property("comm");
      await member.verify();
      await member.finish();
    });
  }

  after(() => {
    releaseAll();
    killAll();
  });

  for (const [kind, code, exitCode, words] of ALONE) {
    it(kind, async () => {
      const program = await Program.start("refused", [kind]);
      // a task that never stops must not be waited for long
      const refusal = await mustFail(code, exitCode, ["dump", "-t", String(program.pid), "-D", image(), "--freeze-timeout", "3"]);
      expect(JSON.stringify(refusal)).to.match(words);
      await program.verify();
      await program.finish();
    });
  }
});
