/** Users without privilege: what they may do, and that nothing of this lets them do more. */

import { expect } from "chai";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import path from "node:path";
import { crctl, describeOutcome, must, mustFail, run, type Outcome } from "./lib/crctl.js";
import { HAS_PROTECTION_KEYS } from "./lib/cpu.js";
import { kernelLog } from "./lib/kmsg.js";
import { remember } from "./lib/leftovers.js";
import { Nobody } from "./lib/nobody.js";
import { newDirectory } from "./lib/directories.js";
import { pidsOfTree, stateOf, viewTree } from "./lib/procfs.js";
import { Program } from "./lib/program.js";
import { withJournal } from "./lib/scenario.js";
import { said } from "./lib/said.js";
import { withTmpfs } from "./lib/mounts.js";
import { until } from "./lib/wait.js";

let nobody: Nobody;

before(async () => {
  nobody = await Nobody.enter();
});

after(async () => {
  await nobody.leave();
});

function start(name: string, args: readonly string[] = []): Promise<Program> {
  return Program.start(name, args, { uid: nobody.uid, programs: nobody.programs, env: nobody.env });
}

function pidIn({ stdout }: Outcome): number {
  return (JSON.parse(stdout) as { pid: number }).pid;
}

/** Has something for the time of an act: a sysctl, a switch. */
async function withSetting(file: string, value: string, act: () => Promise<void>): Promise<void> {
  const before = readFileSync(file, "utf8").trim();
  writeFileSync(file, value);
  try {
    await act();
  } finally {
    writeFileSync(file, before);
  }
}

function failsWith(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

describe("a user's own process", () => {
  const PLAIN = [
    "heap",
    "private_file",
    "readonly",
    "prot_none",
    "regs_general",
    "regs_vector",
    "tls",
    "sig_handlers",
    "sigaltstack",
    "sigmask",
    "in_handler",
    "itimers",
  ];
  for (const [i, name] of PLAIN.entries()) {
    it(`is dumped and restored by that user: ${name}`, async () => {
      await withJournal(await start(name), async (program) => {
        // what has come back once can go again, which one of them shows for all
        for (let round = 0; round < (i === 0 ? 2 : 1); round++) {
          const image = program.newImage();
          const old = program.pid;
          await must(["dump", "-t", String(old), "-D", image], nobody);
          await program.gone([old]);
          const outcome = await must(["restore", "-d", "--new-pids", "--json", "-D", image], nobody);
          program.became(pidIn(outcome));
          expect(outcome.stdout).to.include("/proc/<pid>/exe");
          await program.verify();
        }
        await program.finish();
      });
    });
  }

  it("cannot have its old id back, and the message says what to do", async () => {
    const program = await start("heap");
    const image = program.newImage();
    await must(["dump", "-t", String(program.pid), "-D", image], nobody);
    await program.gone([program.pid]);
    const error = await mustFail("E_PERMISSION", 7, ["restore", "-d", "-D", image], nobody);
    expect(error.problems).to.have.lengthOf(1);
    expect(error.problems?.[0]?.why).to.equal("the kernel does not let you choose process ids");
    expect(error.problems?.[0]?.hint).to.match(/--new-pids.*root.*CAP_CHECKPOINT_RESTORE/);
  });

  it("with several threads is refused new ids by name", async () => {
    const program = await start("threads");
    const image = program.newImage();
    await must(["dump", "-t", String(program.pid), "-D", image], nobody);
    const error = await mustFail("E_UNSUPPORTED", 4, ["restore", "-d", "--new-pids", "-D", image], nobody);
    expect(error.problems?.map(({ object }) => object)).to.deep.equal(["threads"]);
  });

  for (const name of ["shared_anon", "memfd"]) {
    it(`with memory that only privilege reaches is refused by name: ${name}`, async () => {
      const program = await start(name);
      const error = await mustFail("E_PERMISSION", 7, ["dump", "-t", String(program.pid), "-D", program.newImage()], nobody);
      expect(error.problems?.every(({ hint = "" }) => hint.includes("CAP_CHECKPOINT_RESTORE"))).to.equal(true);
      await program.verify();
      await program.finish();
    });
  }

  it("of other ids than one's own is not restored", async () => {
    const program = await Program.start("heap");
    const image = program.newImage();
    await program.dump(image, ["-R"]);
    // the user has been given an image of root's
    expect((await run("chmod", ["-R", "a+rX", image])).status).to.equal(0);
    const error = await mustFail("E_PERMISSION", 7, ["restore", "-d", "--new-pids", "-D", image], nobody);
    expect(error.problems?.map(({ object }) => object)).to.include("credentials");
    await program.finish();
  });
});

describe("new process ids", () => {
  it("a tree lives beside the one that it was dumped from", async () => {
    const program = await Program.start("many", ["row", "4"]);
    const image = program.newImage();
    await program.dump(image, ["-R"]);
    const old = viewTree(program.pid);
    const outcome = await must(["restore", "-d", "--new-pids", "--json", "-D", image]);
    const copy = pidIn(outcome);
    expect(copy).to.not.equal(program.pid);
    const pids = pidsOfTree(copy);
    expect(pids).to.have.lengthOf(Object.keys(old).length);
    expect(pids.filter((pid) => pid in old)).to.deep.equal([]);
    for (const [pid, task] of Object.entries(viewTree(copy))) {
      expect(task.session, pid).to.equal(copy);
      expect(task.group, pid).to.equal(copy);
      expect(task.live?.exe, pid).to.equal(old[program.pid]?.live?.exe);
    }
    for (const pid of pids.toReversed()) process.kill(pid, "SIGKILL");
    await program.verify();
    await program.finish();
  });

  it("crctl in the foreground ends as the root does, under its new id", async () => {
    const program = await Program.start("heap");
    const image = program.newImage();
    await program.dump(image, ["-R"]);
    const restore = crctl(["restore", "--new-pids", "-D", image]);
    const copy = await until("the copy", () => {
      const found = readdirSync("/proc").find(
        (pid) => Number(pid) > 0 && Number(pid) !== program.pid && comm(pid) === "heap" && hasPassedGate(pid),
      );
      return found === undefined ? undefined : Number(found);
    });
    process.kill(copy, "SIGKILL");
    const outcome = await restore;
    expect(outcome.status, describeOutcome(outcome)).to.equal(128 + 9);
    await program.finish();
  });
});

function readOfProcess(pid: string, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "utf8").trim();
  } catch {
    return "";
  }
}

const comm = (pid: string): string => readOfProcess(pid, "comm");

/** It waits in a system call of its own, and not in the execve(2) that brought it back. */
function hasPassedGate(pid: string): boolean {
  const call = readOfProcess(pid, "syscall").split(" ", 1)[0] ?? "";
  return /^[0-9]+$/.test(call) && call !== "59";
}

describe("what is not one's own", () => {
  const asNobody = (command: string): Promise<Outcome> => run("/bin/sh", ["-c", command], { uid: nobody.uid });

  it("a set-user-id program is not read by the user who runs it", async () => {
    const directory = newDirectory();
    for (const name of ["heap"]) {
      copyFileSync(path.join(nobody.programs, name), path.join(directory, name));
      chmodSync(path.join(directory, name), 0o4755);
    }
    const program = await Program.start("heap", [], { uid: nobody.uid, programs: directory, env: nobody.env });
    expect(readFileSync(`/proc/${program.pid}/status`, "utf8")).to.match(/^Uid:\t65534\t0\t/m);
    process.kill(program.pid, "SIGSTOP");
    await until("it to be stopped", () => stateOf(program.pid) === "T");
    for (const command of [`cat /proc/${program.pid}/dump`, `ls /proc/${program.pid}/mfd`]) {
      const { status, stdout, stderr } = await asNobody(command);
      expect(status, command).to.not.equal(0);
      expect(stdout).to.equal("");
      expect(stderr).to.match(/Permission denied/);
    }
    process.kill(program.pid, "SIGCONT");
    await mustFail("E_PERMISSION", 7, ["dump", "-t", String(program.pid), "-D", program.newImage()], nobody);
    await program.finish();
  });

  it("what was opened of one's own process is of no use when that has become a set-user-id program", async () => {
    const directory = newDirectory();
    const file = path.join(directory, "heap");
    copyFileSync(path.join(nobody.programs, "heap"), file);
    chmodSync(file, 0o4755);
    const target = spawn("/bin/sh", ["-c", `kill -STOP $$; exec ${file} --status ${directory}/status`], { uid: nobody.uid });
    const pid = target.pid ?? 0;
    remember(pid);
    await until("it to be stopped", () => stateOf(pid) === "T");
    const readers = ["hold", "take"].map((way) => spawn(path.join(nobody.programs, "procdump"), [String(pid), way], { uid: nobody.uid }));
    for (const reader of readers) await said(reader, "open");
    const lister = spawn("/bin/sh", ["-c", `cd /proc/${pid}/mfd && ls >&2 && echo open && read line; ls; cat *; echo end`], {
      uid: nobody.uid,
    });
    await said(lister, "open");
    process.kill(pid, "SIGCONT");
    await until("it to have root's rights", () => /^Uid:\t65534\t0\t/m.test(readOfProcess(String(pid), "status")));
    for (const reader of readers) {
      reader.stdin.end();
      await said(reader, "EACCES");
    }
    let listed = "";
    lister.stdout.on("data", (more: Buffer) => (listed += more.toString()));
    lister.stdin.end();
    await once(lister, "exit");
    expect(listed).to.equal("end\n");
    process.kill(pid, "SIGKILL");
  });

  it("links to mapped files are listed and read, and lead nowhere", async () => {
    const program = await start("shared_file");
    const directory = `/proc/${program.pid}/mfd`;
    const [first = ""] = readdirSync(directory);
    const listed = await asNobody(`ls ${directory} && readlink ${directory}/${first}`);
    expect(listed.status, listed.stderr).to.equal(0);
    expect(listed.stdout).to.include(readlinkSync(`${directory}/${first}`));
    expect((await asNobody(`cat ${directory}/${first}`)).stderr).to.include("not permitted");
    await program.finish();
  });
});

/** No mask of theirs: what each change of an image must end in, when an unprivileged user executes it. */
const HOSTILE: Record<string, string> = {
  nothing: "exit 0",
  manifest: "exit 0",
  // addresses
  low: "errno EINVAL",
  high: "errno EINVAL",
  kernel_vma: "errno EINVAL",
  low_brk: "errno EINVAL",
  high_args: "errno EINVAL",
  ip_end: "errno EINVAL",
  ip_hole: "errno EINVAL",
  ip_kernel: "errno EINVAL",
  fs_kernel: "errno EINVAL",
  fs_hole: "errno EINVAL",
  gs_hole: "errno EINVAL",
  // registers
  cs_kernel: "errno EINVAL",
  cs_32: "errno EINVAL",
  ss_kernel: "errno EINVAL",
  ds_kernel: "errno EINVAL",
  flags: "exit 0",
  trap: "signal 5",
  // 5.10 masks reserved bits of MXCSR as ptrace(2) does there, later kernels refuse them
  mxcsr: release().startsWith("5.10") ? "exit 0" : "signal 9",
  xfeature: "errno EINVAL",
  supervisor: "errno EINVAL",
  // credentials: the system calls say no, when the old program is gone
  uid: "signal 9",
  suid: "signal 9",
  fsuid: "signal 9",
  gid: "signal 9",
  groups: "errno EINVAL",
  permitted: "signal 9",
  unknown_caps: "exit 0",
  inheritable: "signal 9",
  ambient: "signal 9",
  bounding: "signal 9",
  securebits: "signal 9",
  flusher: "signal 9",
  // seccomp
  seccomp_lost: "signal 9",
  filter: "signal 9",
  filter_nnp: "exit 0",
  under_filter: "errno EPERM",
  // limits
  locked: "signal 9",
  locked_later: "signal 9",
  may_lock: "exit 0",
  lock_more: "signal 9",
  big: "exit 0",
  little_space: "signal 9",
  little_data: "signal 9",
  // signals: the parent gets SIGCHLD, or would have died
  exit_signal: "exit 0",
  exit_signal_99: "errno EINVAL",
  sigkill: "exit 0",
  // the vdso is the kernel's, where mremap(2) could have put it
  vdso_bytes: "errno EOPNOTSUPP",
  vdso_alone: "errno EOPNOTSUPP",
  vdso_moved: "exit 0",
  // what no limit of the user's counts
  headers: "errno EPERM",
  // no ids of one's choice
  thread: "signal 9",
  // the image as a file
  set_uid: "errno EPERM",
  set_gid: "errno EPERM",
  unreadable: "exit 0",
  // descriptors of a manifest
  exe: "errno EPERM",
  shared_write: "signal 9",
  shared_both: "exit 0",
  // mapped for reading, and not to be made writable later
  shared_read: "exit 0",
  write_only: "signal 9",
  pipe_map: "signal 9",
  pages_write_only: "errno EINVAL",
  pages_pipe: "errno EINVAL",
  gate_file: "errno EINVAL",
  report_read: "errno EINVAL",
  control_flags: "errno EINVAL",
  // who the other end of a socket is, is not an unprivileged user's to say
  peer: "exit 0",
  peer_file: "exit 0",
  peer_pid: "errno EINVAL",
  peer_groups: "errno EINVAL",
  // locks are those that fcntl(2) would give
  lock: "exit 0",
  lock_reader: "signal 9",
  lock_pipe: "exit 0",
  lock_closed: "signal 9",
  lock_start: "errno EINVAL",
  lock_end: "errno EINVAL",
  lock_kind: "errno EINVAL",
  // System V shared memory is attached by its id, and the descriptor has to be of it
  segment_file: "errno ESTALE",
  segment_id: "errno EINVAL",
  segment_private: "errno EINVAL",
  segment_later: "errno EINVAL",
  segment_part: "errno EINVAL",
  segment_none: "errno EINVAL",
  // huge pages are taken where there are some, as by mmap(2)
  huge: "signal 9",
  huge_of_ordinary: "errno EINVAL",
  huge_of_no_size: "errno EINVAL",
  huge_half: "errno EINVAL",
  huge_too_low: "errno EINVAL",
  huge_ordinary: "errno EINVAL",
  huge_file: "errno ESTALE",
  huge_file_part: "errno EINVAL",
  huge_file_flags: "errno EINVAL",
  // protection keys
  keys: HAS_PROTECTION_KEYS ? "exit 0" : "errno EINVAL",
  keys_many: "errno EINVAL",
  keys_without_first: "errno EINVAL",
  key_of_none: "errno EINVAL",
  key_beyond: "errno EINVAL",
  // timers are made by timer_create(2)
  timer_alarm: "signal 9",
  timer_clock: "errno EINVAL",
  // policies are set by mbind(2) and set_mempolicy(2)
  policy: "exit 0",
  policy_mode: "errno EINVAL",
  policy_flags: "errno EINVAL",
  policy_nowhere: "errno EINVAL",
  policy_vdso: "errno EINVAL",
  // without nodes that are not here
  policy_node: "exit 0",
  policy_node_thread: "exit 0",
  // notifications are asked for by mq_notify(3)
  notify_pipe: "signal 9",
  notify_closed: "signal 9",
  notify_signal: "errno EINVAL",
  notify_thread: "errno EINVAL",
  // pages come from who takes part in the same restore
  cow_of_nobody: "errno EINVAL",
  cow_of_itself: "errno EINVAL",
  cow_unreported: "errno EINVAL",
  cow_nowhere: "errno EINVAL",
  cow_kernel: "errno EINVAL",
  cow_of_dump: "errno EINVAL",
};

describe("a hostile image", () => {
  async function hostile(directory: string, change: string, ...more: string[]): Promise<string> {
    const outcome = await run(path.join(nobody.programs, "hostile"), [directory, change, ...more], { uid: nobody.uid });
    if (outcome.status !== 0) throw new Error(describeOutcome(outcome));
    return outcome.stdout.trim();
  }

  it("gains nothing, whatever it says", async () => {
    const directory = newDirectory();
    const file = path.join(directory, "file");
    // its own, to be opened in any way
    const made = await run("/bin/sh", ["-c", `head -c 65536 /dev/zero > ${file}`], { uid: nobody.uid });
    expect(made.status, made.stderr).to.equal(0);
    const found: Record<string, string> = {};
    for (const change of Object.keys(HOSTILE)) found[change] = await hostile(directory, change, file);
    expect(found).to.deep.equal(HOSTILE);
    // who may have as many headers is told what is wrong with them
    const root = await run(path.join(nobody.programs, "hostile"), [newDirectory(), "headers"]);
    expect(root.stdout).to.equal("errno EINVAL\n");
  });

  const asRoot = async (change: string): Promise<string> => {
    const outcome = await run(path.join(nobody.programs, "hostile"), [newDirectory(), change]);
    expect(outcome.status, describeOutcome(outcome)).to.equal(0);
    return outcome.stdout.trim();
  };

  it("attaches the System V shared memory that whoever executes it may, and no other than it has a descriptor of", async () => {
    // for reading only, as it says
    expect(await asRoot("segment")).to.equal("exit 0");
    expect(await asRoot("segment_of_nobody")).to.equal("signal 9");
    expect(await asRoot("segment_other")).to.equal("errno ESTALE");
  });

  it("says who the peer of a socket is if it is root's, and not if it has the right to restore alone", async () => {
    expect(await asRoot("peer")).to.equal("exit 1");
    expect(await asRoot("peer_file")).to.equal("signal 9");
    expect(await asRoot("peer_of_nobody")).to.equal("exit 0");
  });

  it("does not run from a mount without exec, nor maps code from one", async () => {
    await withTmpfs("noexec", async (directory) => {
      expect(await hostile(directory, "nothing")).to.equal("errno EACCES");
      const code = path.join(directory, "code");
      copyFileSync(path.join(nobody.programs, "hostile"), code);
      chmodSync(code, 0o755);
      const elsewhere = newDirectory();
      expect(await hostile(elsewhere, "noexec", code)).to.equal("signal 9");
      // the same image where programs may be
      expect(await hostile(elsewhere, "noexec")).to.equal("exit 0");
    });
  });

  it("stays within a memory cgroup", async () => {
    const parent = "/sys/fs/cgroup";
    if (!existsSync(path.join(parent, "cgroup.controllers"))) throw new Error("no cgroups");
    writeFileSync(path.join(parent, "cgroup.subtree_control"), "+memory");
    const group = path.join(parent, `crctl-privilege-${process.pid}`);
    mkdirSync(group);
    try {
      // the image is made outside; its pages are 64 MiB
      const directory = newDirectory();
      expect(await hostile(directory, "big")).to.equal("exit 0");
      const image = path.join(directory, "big");
      writeFileSync(path.join(group, "memory.max"), String(24 << 20));
      const inside = `echo $$ > ${group}/cgroup.procs; exec setpriv --reuid ${nobody.uid} --regid ${nobody.uid} --clear-groups ${image}`;
      // who ran out of memory is told with a call trace, which is no complaint about us
      await withSetting("/proc/sys/kernel/printk", "1", async () => {
        const { signal, status } = await run("/bin/sh", ["-c", inside]);
        expect(signal ?? status).to.equal("SIGKILL");
      });
      expect(readFileSync(path.join(group, "memory.events"), "utf8")).to.match(/^oom_kill [1-9]/m);
      const complaints = kernelLog().complaints().join("\n");
      expect(complaints).to.include("Memory cgroup out of memory");
      expect(complaints).to.not.match(/BUG|WARNING|Oops|KASAN|UBSAN|INFO: |RIP: 0010:.*crctl/);
    } finally {
      await until("the cgroup to be empty", () => {
        try {
          rmdirSync(group);
          return true;
        } catch {
          return false;
        }
      });
    }
  });
});

describe("settings of the kernel", () => {
  const SCOPE = "/proc/sys/kernel/yama/ptrace_scope";

  it("kernel.yama.ptrace_scope: 1 and 2 forbid it to users, and the message says so; root goes on", async () => {
    const program = await start("heap");
    for (const scope of ["1", "2"]) {
      await withSetting(SCOPE, scope, async () => {
        const error = await mustFail("E_PERMISSION", 7, ["dump", "-t", String(program.pid), "-D", program.newImage()], nobody);
        expect(error.hint).to.include(`kernel.yama.ptrace_scope is ${scope}`);
        expect((await crctl(["check"], nobody)).stdout).to.match(/^(limited|no) +dump-any .*kernel\.yama\.ptrace_scope/m);
        await program.dump(program.newImage(), ["-R"]);
      });
    }
    await program.verify();
    await program.finish();
  });

  /** Without its entries in /proc every command says why, and nothing is lost. */
  async function withoutEntries(file: string, word: string): Promise<void> {
    const program = await Program.start("heap");
    await withSetting(file, "0", async () => {
      const error = await mustFail("E_NO_MODULE", 8, ["dump", "-t", String(program.pid), "-D", program.newImage()]);
      expect(error.message).to.include(word);
      const { status, stdout } = await crctl(["check"]);
      expect(status).to.equal(8);
      expect(stdout).to.include(word);
    });
    await program.cycle();
    await program.finish();
  }

  it("kernel.ftrace_enabled=0: the entries are gone, and every command says why, or the kernel does not allow it", async () => {
    const file = "/proc/sys/kernel/ftrace_enabled";
    const complaint = failsWith(() => {
      writeFileSync(file, "0");
      writeFileSync(file, "1");
    });
    if (complaint === undefined) return withoutEntries(file, "kernel.ftrace_enabled");
    expect(complaint).to.equal("ENOTSUP");
    const others = kernelLog()
      .complaints()
      .filter((text) => !text.includes("ftrace_enabled file is deprecated"));
    expect(others).to.deep.equal([]);
    expect(readFileSync(file, "utf8")).to.equal("1\n");
    expect((await crctl(["check"])).status).to.equal(0);
  });

  it("kprobes switched off in debugfs: the entries are gone, and every command says why", async () => {
    const file = "/sys/kernel/debug/kprobes/enabled";
    if (!existsSync(file)) expect((await run("mount", ["-t", "debugfs", "debugfs", "/sys/kernel/debug"])).status).to.equal(0);
    await withoutEntries(file, "kprobes");
  });

  it("hidepid: users dump what they see", async () => {
    const program = await start("heap");
    const other = await Program.start("heap");
    expect((await run("mount", ["-o", "remount,hidepid=2", "/proc"])).status).to.equal(0);
    try {
      await must(["dump", "-R", "-t", String(program.pid), "-D", program.newImage()], nobody);
      await mustFail("E_PID_NOT_FOUND", 3, ["dump", "-t", String(other.pid), "-D", other.newImage()], nobody);
    } finally {
      expect((await run("mount", ["-o", "remount,hidepid=0", "/proc"])).status).to.equal(0);
    }
    await program.finish();
    await other.finish();
  });
});
