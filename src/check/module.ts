/** Why the module's entries in /proc are not there, as far as the kernel's settings tell, and what to do about it. */

import { existsSync, readFileSync } from "node:fs";

export interface ModuleState {
  /** /proc/<pid>/dump and mfd */
  entries: boolean;
  loaded: boolean;
  armed: boolean;
  /** /proc/sys/kernel/ftrace_enabled, where there is such a thing */
  ftrace: boolean;
  /** /sys/kernel/debug/kprobes/enabled, for those who may read it */
  kprobes: boolean;
  /** kernel_lockdown(7): "none", "integrity", "confidentiality" */
  lockdown: string;
  /** only signed modules are loaded */
  signedOnly: boolean;
}

export interface ModuleProblem {
  why: string;
  hint: string;
}

const YES = /^[1Y]/;

export function moduleState(): ModuleState {
  const parameter = read("/sys/module/crctl/parameters/armed");
  const entries = existsSync("/proc/self/dump") && existsSync("/proc/self/mfd");
  const loaded = existsSync("/sys/module/crctl");
  return {
    entries,
    loaded,
    armed: parameter === undefined || YES.test(parameter),
    ftrace: read("/proc/sys/kernel/ftrace_enabled") !== "0",
    // under lockdown the kernel's log tells of every look into debugfs
    kprobes: entries || !loaded || read("/sys/kernel/debug/kprobes/enabled") !== "0",
    lockdown: lockdownOf(read("/sys/kernel/security/lockdown") ?? ""),
    signedOnly: YES.test(read("/sys/module/module/parameters/sig_enforce") ?? ""),
  };
}

/** "none [integrity] confidentiality" */
export function lockdownOf(text: string): string {
  return /\[(\w+)\]/.exec(text)?.[1] ?? "none";
}

/** undefined: it is there and works. */
export function moduleProblem(state: ModuleState = moduleState()): ModuleProblem | undefined {
  if (state.entries) return undefined;
  if (!state.loaded) return notLoaded(state);
  if (!state.armed) return { why: "the module crctl is disarmed", hint: "echo 1 > /sys/module/crctl/parameters/armed" };
  if (!state.ftrace) return { why: "the module crctl is loaded, but kernel.ftrace_enabled is 0", hint: "sysctl kernel.ftrace_enabled=1" };
  if (!state.kprobes)
    return { why: "the module crctl is loaded, but kprobes are switched off", hint: "echo 1 > /sys/kernel/debug/kprobes/enabled" };
  return {
    why: "the module crctl is loaded, but its entries are not in /proc",
    hint: "kprobes may be switched off: see /sys/kernel/debug/kprobes/enabled, as root; or /proc is of another pid namespace",
  };
}

function notLoaded({ lockdown, signedOnly }: ModuleState): ModuleProblem {
  const load = "modprobe crctl, or insmod kmod/crctl.ko";
  if (lockdown === "none" && !signedOnly) return { why: "the module crctl is not loaded", hint: load };
  const cause =
    lockdown === "none"
      ? "this kernel loads signed modules only (module.sig_enforce)"
      : `this kernel is locked down (${lockdown}) and loads signed modules only`;
  return {
    why: `the module crctl is not loaded; ${cause}`,
    hint: `sign it with a key that the machine trusts (docs/security.md, "Signed modules"), then ${load}`,
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
