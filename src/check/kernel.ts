/** The kernel and its module: what nothing goes without, and how namespaces, cgroups and security modules are set up. */

import { existsSync } from "node:fs";
import * as os from "node:os";

import { native } from "../native.js";
import { unifiedCgroup } from "../proc/cgroup.js";
import { hasTimeNamespaces, mayMakeTimeNamespaces } from "../proc/clocks.js";
import { unifiedMountPoint } from "../restore/attributes.js";
import { VERSION } from "../version.js";
import { moduleProblem, moduleState } from "./module.js";
import { YES, limited, no, read, type Answer, type Probe } from "./types.js";

const SYS_RSEQ = 334;
const ENOSYS = -38;

export const KERNEL: readonly Probe[] = [
  { id: "kernel", about: "Linux on x86_64", needed: true, ask: kernel },
  { id: "module", about: "the kernel module: /proc/<pid>/dump, and images as programs", needed: true, ask: module },
  { id: "lockdown", about: "modules without a signature", ask: lockdown },
  { id: "kcmp", about: "which descriptors are the same, kcmp(2)", needed: true, ask: kcmp },
  { id: "children", about: "the children of a task, in /proc", needed: true, ask: children },
  { id: "set-tid", about: "clone3(2) with set_tid", needed: true, ask: setTid },
  { id: "rseq", about: "restartable sequences, rseq(2)", ask: rseq },
  { id: "time-namespaces", about: "clocks that go on from where they were after another boot", ask: timeNamespaces },
  { id: "cgroups", about: "tasks go back to their cgroup", ask: cgroups },
  { id: "security-labels", about: "tasks under AppArmor, SELinux and their like", ask: labels },
];

function kernel(): Answer {
  const value = `${os.release()} ${os.machine()}`;
  return os.arch() === "x64" ? { ...YES, value } : { ...no("crctl is for x86_64 only"), value };
}

function module(): Answer {
  const problem = moduleProblem();
  if (problem !== undefined) return no(`${problem.why}: ${problem.hint}`);
  const version = read("/sys/module/crctl/version");
  const value = version === undefined ? "armed" : `${version}, armed`;
  if (version === undefined || version === VERSION || VERSION.endsWith("-dev")) return { ...YES, value };
  return { ...limited(`the module is of version ${version}, crctl of ${VERSION}: if a dump fails, load the one of this version`), value };
}

/** What the kernel asks of modules. */
function lockdown(): Answer {
  const { lockdown: level, signedOnly, loaded } = moduleState();
  if (level === "none" && !signedOnly) return YES;
  const rule = [level === "none" ? [] : [`kernel lockdown: ${level}`], signedOnly ? ["signed modules only"] : []].flat().join(", ");
  const sign = "the module must be signed by a key that the machine trusts";
  return loaded ? limited(`${rule}; the module is loaded already, and to load it again ${sign}`) : no(`${rule}; ${sign}`);
}

function kcmp(): Answer {
  native().kcmp(process.pid, process.pid, 0, 0, 0);
  return YES;
}

function children(): Answer {
  if (existsSync(`/proc/self/task/${process.pid}/children`)) return YES;
  return no("the kernel needs CONFIG_PROC_CHILDREN: the tasks of a tree are not found without it");
}

/** An impossible id: whoever knows set_tid says so. */
function setTid(): Answer {
  const EINVAL = -22;
  const answer = native().tryClone(-1);
  if (answer === EINVAL) return YES;
  return no(`the kernel, or a filter on system calls, does not let tasks be made with old ids (error ${-answer})`);
}

function rseq(): Answer {
  if (native().trySyscall(SYS_RSEQ) !== ENOSYS) return YES;
  return no("the kernel has none: programs that have registered one, as those of glibc 2.35 and later do, cannot be restored here");
}

function timeNamespaces(): Answer {
  const consequence = "clocks of trees that are restored after another boot jump, and are refused where they would run backwards";
  if (!hasTimeNamespaces()) return no(`the kernel has none (CONFIG_TIME_NS): ${consequence}`);
  if (mayMakeTimeNamespaces()) return YES;
  return limited(`to make one takes CAP_SYS_ADMIN and CAP_SYS_TIME: ${consequence}`);
}

function cgroups(): Answer {
  const text = read("/proc/self/cgroup") ?? "";
  const mount = unifiedMountPoint(read("/proc/self/mountinfo") ?? "");
  if (unifiedCgroup(text) === undefined || mount === undefined)
    return no("the unified hierarchy (cgroup v2) is not mounted: restored tasks are in crctl's cgroup");
  const old = text.split("\n").filter((line) => line !== "" && !line.startsWith("0::"));
  if (old.length === 0) return YES;
  return limited(`cgroup v1 is in use (${old.length} hierarchies), whose membership is not saved`);
}

function labels(): Answer {
  const label = read("/proc/self/attr/current")?.replace(/\0+$/, "");
  if (label === undefined || label === "") return YES;
  if (/^(unconfined|kernel)\b/.test(label)) return limited("tasks under a profile of their own are refused; unconfined ones are not");
  return no(`crctl itself runs under the label "${label}": tasks with a label other than the default are refused`);
}
