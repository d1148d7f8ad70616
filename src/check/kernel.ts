/** What of the kernel and its settings a dump or a restore depends on. */

import { existsSync, readFileSync } from "node:fs";
import * as os from "node:os";

import { native } from "../native.js";
import { CAP, hasCapability } from "../proc/capabilities.js";
import { moduleProblem, moduleState } from "./module.js";

export interface Finding {
  name: string;
  ok: boolean;
  /** without it crctl cannot work; otherwise only something is lost */
  needed: boolean;
  value: string;
  hint: string;
}

export function kernelReport(): Finding[] {
  return [
    kernel(),
    moduleEntries(),
    lockdown(),
    moduleVersion(),
    kcmp(),
    setTid(),
    children(),
    unixDiag(),
    capability("CAP_SYS_PTRACE", CAP.SYS_PTRACE, "dumping other users' tasks needs it"),
    capability("CAP_SYS_ADMIN", CAP.SYS_ADMIN, "seccomp filters cannot be read without it"),
    capability("CAP_NET_ADMIN", CAP.NET_ADMIN, "TCP connections cannot be restored without it"),
    capability("CAP_NET_RAW", CAP.NET_RAW, "UDP sockets with unread datagrams cannot be restored without it"),
    capability(
      "CAP_CHECKPOINT_RESTORE",
      CAP.CHECKPOINT_RESTORE,
      "without it, or CAP_SYS_ADMIN, pids cannot be chosen (see restore --new-pids) and memory without a name not be saved",
    ),
    sysctl(
      "kernel/yama/ptrace_scope",
      mayTrace,
      "at 1 users can dump only their own descendants, at 2 only root can dump, at 3 nobody until the next boot",
    ),
    sysctl("kernel/ftrace_enabled", (value) => value === "1", "the entries in /proc/<pid> need it", true),
    sysctl("vm/memfd_noexec", (value) => Number(value) < 2, "a restore uses an unnamed file in place of a memfd"),
    sysctl("kernel/pid_max", () => true, ""),
    sysctl("fs/pipe-max-size", () => true, ""),
  ].filter((finding) => finding !== undefined);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

function kernel(): Finding {
  const release = os.release();
  const [major = 0, minor = 0] = release.split(".").map((part) => parseInt(part, 10));
  const ok = os.arch() === "x64" && (major > 5 || (major === 5 && minor >= 10));
  return { name: "kernel", ok, needed: true, value: `${release} ${os.machine()}`, hint: "x86_64 and Linux 5.10 or later are needed" };
}

function moduleEntries(): Finding {
  const problem = moduleProblem();
  const base = { name: "/proc/<pid>/dump", ok: problem === undefined, needed: true };
  return { ...base, value: problem === undefined ? "there" : `not there: ${problem.why}`, hint: problem?.hint ?? "" };
}

/** What the kernel asks of modules: undefined where it has no such rule. */
function lockdown(): Finding | undefined {
  const { lockdown: level, signedOnly, loaded } = moduleState();
  if (level === "none" && !signedOnly) return undefined;
  return {
    name: "kernel lockdown",
    ok: loaded,
    needed: false,
    value: `${level}${signedOnly ? ", signed modules only" : ""}`,
    hint: "the module must be signed by a key that the machine trusts",
  };
}

function moduleVersion(): Finding {
  const value = read("/sys/module/crctl/version");
  return { name: "module version", ok: value !== undefined, needed: false, value: value ?? "unknown", hint: "it is not loaded" };
}

/** Documentation/admin-guide/LSM/Yama.rst */
function mayTrace(scope: string): boolean {
  return scope === "0" || (Number(scope) < 3 && hasCapability(CAP.SYS_PTRACE));
}

function kcmp(): Finding {
  let ok = true;
  let value = "works";
  try {
    native().kcmp(process.pid, process.pid, 0, 0, 0);
  } catch (error) {
    ok = false;
    value = error instanceof Error ? error.message : String(error);
  }
  return { name: "kcmp(2)", ok, needed: true, value, hint: "the kernel needs CONFIG_KCMP" };
}

function setTid(): Finding {
  const ok = native().setTidSupported();
  return { name: "clone3(2) set_tid", ok, needed: true, value: ok ? "works" : "missing", hint: "tasks cannot get their pids back" };
}

function children(): Finding {
  const ok = existsSync(`/proc/self/task/${process.pid}/children`);
  return { name: "/proc children", ok, needed: true, value: ok ? "there" : "missing", hint: "the kernel needs CONFIG_PROC_CHILDREN" };
}

function unixDiag(): Finding {
  let ok = true;
  try {
    native().unixSockets();
  } catch {
    ok = false;
  }
  const hint = "unix sockets cannot be dumped without it: modprobe unix_diag, or a kernel with CONFIG_UNIX_DIAG";
  return { name: "unix_diag", ok, needed: false, value: ok ? "works" : "missing", hint };
}

function capability(name: string, bit: bigint, hint: string): Finding {
  const ok = hasCapability(bit);
  return { name, ok, needed: false, value: ok ? "held" : "not held", hint };
}

/** undefined: the kernel does not have it, which is well. */
function sysctl(name: string, good: (value: string) => boolean, hint: string, needed = false): Finding | undefined {
  const value = read(`/proc/sys/${name}`);
  return value === undefined ? undefined : { name: name.replaceAll("/", "."), ok: good(value), needed, value, hint };
}
