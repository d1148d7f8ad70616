/** crctl dump --dry-run and crctl check -t: what is told of a tree that runs, which must not notice. */

import { expect } from "chai";
import { readFileSync, readdirSync } from "node:fs";
import { crctl, describeOutcome, must, mustFail } from "./lib/crctl.js";
import { newDirectory } from "./lib/directories.js";
import { Nobody } from "./lib/nobody.js";
import { pidsOfTree } from "./lib/procfs.js";
import { Herd, Program, Tree } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { until } from "./lib/wait.js";

interface Told {
  ok: boolean;
  tasks: number;
  threads: number;
  memoryBytes: number;
  contentBytes: number;
  warnings: string[];
  restoreOptions: string[];
  external: { key: string; what: string; standard?: number }[];
  files: string[];
  unseen: string[];
}

async function look(pid: number, args: readonly string[] = []): Promise<Told> {
  const { stdout } = await must(["dump", "--dry-run", "-t", String(pid), "--json", ...args]);
  return JSON.parse(stdout) as Told;
}

/** Of each thread: who traces it, and how often it has been off the processor. */
function marks(pid: number): string[] {
  return pidsOfTree(pid).flatMap((task) =>
    readdirSync(`/proc/${task}/task`).map((tid) =>
      readFileSync(`/proc/${task}/task/${tid}/status`, "utf8")
        .split("\n")
        .filter((line) => /^(Pid|TracerPid|voluntary_ctxt_switches|nonvoluntary_ctxt_switches|SigPnd|ShdPnd):/.test(line))
        .join(" "),
    ),
  );
}

describe("a look at a tree that runs", () => {
  it("stops, traces and signals nobody: calls that any stop would end go on", async () => {
    await withJournal(await Program.start("undisturbed"), async (program) => {
      const before = marks(program.pid);
      for (let i = 0; i < 2; i++) {
        const told = await look(program.pid);
        expect(told.warnings.join("\n")).to.match(/8 threads wait in calls .*EINTR.*epoll_wait, rt_sigtimedwait, semtimedop/);
        await must(["check", "-t", String(program.pid)]);
      }
      expect(marks(program.pid)).to.deep.equal(before);
      await program.verify();
      await program.finish();
    });
  });

  it("the same program notices a dump that leaves it running", async () => {
    const program = await Program.start("undisturbed");
    await program.dump(program.newImage(), ["--leave-running"]);
    let noticed: unknown;
    await program.verify().catch((error: unknown) => (noticed = error));
    expect(String(noticed)).to.match(/has returned: -1, Interrupted system call/);
  });

  it("counts tasks, threads and memory, and names files", async () => {
    const program = await Program.start("large", ["16"]);
    const told = await look(program.pid);
    const { stdout } = await must(["dump", "-t", String(program.pid), "-D", program.newImage(), "-R", "--json"]);
    const dumped = JSON.parse(stdout) as { tasks: number; threads: number; bytes: number };
    expect(told).to.include({ ok: true, tasks: dumped.tasks, threads: dumped.threads });
    expect(told.memoryBytes + told.contentBytes).to.be.within(dumped.bytes * 0.8, dumped.bytes * 1.5);
    expect(told.files).to.include(program.directory);
    expect(told.unseen).to.have.length.above(0);
    await program.verify();
    await program.finish();
  });

  const SAVED = [
    ...[
      "eventfd",
      "timerfd",
      "signalfd",
      "epoll",
      "inotify",
      "pidfd",
      "pipe_data",
      "fifo",
      "file_deleted",
      "locks",
      "memfd",
      "descriptors",
    ],
    ...["shared_anon", "sysv_shm", "mlockall", "advice", "unix_stream", "unix_queue", "unix_passed", "unix_named", "udp", "udp_kept"],
    ...["tcp_listen", "tcp_connected", "tcp_over", "pty_pair", "pty_session", "seccomp", "zombies", "regs_vector"],
    ...["posix_timers", "cpu_timers"],
  ];

  it("refuses nothing that can be saved, and changes none of it", async function () {
    this.timeout(600_000);
    await withJournal(await Herd.gather(SAVED.map((program) => ({ program }))), async (herd) => {
      await look(herd.pid);
      // each says itself whether it has lost anything; what timers wake never looks the same twice
      const image = herd.newImage();
      const pids = pidsOfTree(herd.pid);
      const begin = process.hrtime.bigint();
      await herd.dump(image);
      const away = process.hrtime.bigint();
      await herd.gone(pids);
      const restoring = process.hrtime.bigint();
      await herd.restore(image);
      herd.wasAway(restoring - away, process.hrtime.bigint() - begin);
      await look(herd.pid);
      for (const member of herd.members) await member.verify();
      for (const member of herd.members) await member.finish();
    });
  });

  it("tasks that come and go are no obstacle", async () => {
    const tree = await Tree.command("/bin/sh", [
      "-c",
      "while :; do (exec /bin/true) & (exec /bin/ls /proc/self/fd >/dev/null) | cat; wait; done",
    ]);
    for (let i = 0; i < 5; i++) {
      const outcome = await crctl(["dump", "--dry-run", "-t", String(tree.pid)]);
      expect(outcome.status, describeOutcome(outcome)).to.equal(0);
    }
    process.kill(tree.pid, "SIGKILL");
  });

  it("what leads out of the tree: as of a dump, with the option that helps", async () => {
    const tree = await Tree.command("/bin/sh", ["-c", "sleep 1000; :"]);
    const child = await until("the shell to have a child", () => pidsOfTree(tree.pid)[1]);
    const error = await mustFail("E_SESSION", 4, ["check", "-t", String(child)]);
    expect(error.message).to.include("was not stopped");
    expect(error.problems?.[0]?.hint).to.include("--shell-job");
    const dumped = await mustFail("E_SESSION", 4, ["dump", "-t", String(child), "-D", `${newDirectory()}/image`]);
    expect(error.problems).to.deep.equal(dumped.problems);
    expect((await look(child, ["--shell-job"])).restoreOptions).to.deep.equal(["--shell-job"]);
    expect((await must(["check", "-t", String(child), "--shell-job"])).stdout).to.match(/restore will need --shell-job/);
    process.kill(tree.pid, "SIGKILL");
    process.kill(child, "SIGKILL");
  });

  it("another user's tree: no permission, as for a dump", async () => {
    const nobody = await Nobody.enter();
    try {
      const program = await Program.start("heap");
      const error = await mustFail("E_PERMISSION", 7, ["dump", "--dry-run", "-t", String(program.pid)], nobody);
      expect(error.hint).to.include("ptrace");
      const own = await Program.start("heap", [], { uid: nobody.uid, programs: nobody.programs });
      await must(["check", "-t", String(own.pid)], nobody);
      await own.verify();
      await own.finish();
      await program.finish();
    } finally {
      await nobody.leave();
    }
  });

  it("wrong arguments are named", async () => {
    await mustFail("E_USAGE", 2, ["dump", "--dry-run"]);
    await mustFail("E_USAGE", 2, ["check", "-t", "x"]);
    await mustFail("E_USAGE", 2, ["check", "--tcp-close"]);
    await mustFail("E_USAGE", 2, ["dump", "-t", "1"]);
    await mustFail("E_PID_NOT_FOUND", 3, ["check", "-t", "4000000"]);
    await mustFail("E_KERNEL_THREAD", 3, ["check", "-t", "2"]);
    await mustFail("E_SELF", 3, ["check", "-t", String(process.pid)]);
  });
});

interface Feature {
  id: string;
  about: string;
  needed: boolean;
  status: string;
  why: string;
  value?: string;
}

async function features(options = {}): Promise<Map<string, Feature>> {
  const outcome = await crctl(["check", "--json"], options);
  expect(outcome.stderr, describeOutcome(outcome)).to.equal("");
  const { ok, features: list } = JSON.parse(outcome.stdout) as { ok: boolean; features: Feature[] };
  expect(outcome.status).to.equal(ok ? 0 : 8);
  for (const feature of list) {
    const about = JSON.stringify(feature);
    expect(feature, about).to.include.keys("id", "about", "needed", "status", "why");
    expect(feature.status, about).to.be.oneOf(["yes", "no", "limited"]);
    if (feature.status !== "yes") expect(feature.why, about).to.have.length.above(10);
    expect(feature.why, about).to.not.match(/cannot be tried|undefined/);
  }
  expect(new Set(list.map(({ id }) => id)).size).to.equal(list.length);
  return new Map(list.map((feature) => [feature.id, feature]));
}

describe("check, feature by feature", () => {
  it("root: what crctl needs is there, and what its own tests use is", async () => {
    const found = await features();
    const use = ["kernel", "module", "kcmp", "children", "set-tid", "process-ids", "dump-any", "credentials", "seccomp", "nameless-memory"];
    const kinds = [
      "sysv-ids",
      "file-locks",
      "leases",
      "unix-sockets",
      "time-namespaces",
      "tcp-connections",
      "tcp-keep",
      "udp-datagrams",
      "rseq",
      "pipes",
    ];
    for (const id of [...use, ...kinds]) expect(found.get(id)?.status, id).to.equal("yes");
    for (const id of ["mptcp", "amx", "shadow-stacks"]) expect(found.get(id)?.status, id).to.equal("no");
    // few machines have any that nobody has asked for
    expect(found.get("huge-pages")?.value).to.match(/^\d+ of 2 MiB free/);
  });

  it("a user: what takes privilege is limited or missing, and the sentence says which", async () => {
    const nobody = await Nobody.enter();
    try {
      const found = await features(nobody);
      for (const [id, status, why] of [
        ["process-ids", "limited", /CAP_CHECKPOINT_RESTORE.*--new-pids/],
        ["dump-any", "limited", /own/],
        ["credentials", "limited", /CAP_SETUID/],
        ["seccomp", "no", /CAP_SYS_ADMIN/],
        ["nameless-memory", "limited", /CAP_CHECKPOINT_RESTORE/],
        ["sysv-ids", "limited", /CAP_CHECKPOINT_RESTORE/],
        ["tcp-connections", "no", /CAP_NET_ADMIN/],
        ["tcp-keep", "no", /CAP_NET_ADMIN/],
        ["udp-datagrams", "no", /CAP_NET_RAW/],
        ["inotify", "limited", /CAP_DAC_READ_SEARCH/],
        ["terminal-input", "no", /CAP_SYS_ADMIN/],
      ] as const) {
        expect(found.get(id)?.status, id).to.equal(status);
        expect(found.get(id)?.why, id).to.match(why);
      }
      expect(found.get("module")?.status).to.equal("yes");
    } finally {
      await nobody.leave();
    }
  });

  it("--feature: one line, and 0 or 1", async () => {
    const yes = await crctl(["check", "--feature", "tcp-connections"]);
    expect(yes.status, describeOutcome(yes)).to.equal(0);
    expect(yes.stdout).to.match(/^yes +tcp-connections .*\n$/);
    const no = await crctl(["check", "--feature", "mptcp", "--json"]);
    expect(no.status, describeOutcome(no)).to.equal(1);
    expect(JSON.parse(no.stdout)).to.include({ id: "mptcp", status: "no" });
    const error = await mustFail("E_USAGE", 2, ["check", "--feature", "tcp"]);
    expect(error.message).to.include("tcp-connections");
  });
});
