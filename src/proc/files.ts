/** Which files of /proc/<pid> can be opened again, proc(5). */

/**
 * Those that ask the process anew with each reading. Others keep what was its memory when they were opened (maps, mem, environ), look at who
 * opened or reads them (stack, io, syscall, timerslack_ns, uid_map), or belong to a thread.
 */
const NAMES: ReadonlySet<string> = new Set([
  ...["autogroup", "cgroup", "cmdline", "comm", "coredump_filter", "cpuset", "limits", "loginuid", "oom_adj", "oom_score", "oom_score_adj"],
  ...["sched", "schedstat", "sessionid", "stat", "statm", "status", "wchan"],
]);

/** These are of the root directory that the process had when it opened them. */
const OF_ROOT: ReadonlySet<string> = new Set(["mountinfo", "mounts", "mountstats"]);

/** Whether such a file is saved; also those of its network namespace, which /proc/net leads to. */
export function isProcessFileName(name: string): boolean {
  return NAMES.has(name) || dependsOnRoot(name) || /^net\/[a-z0-9_]+$/.test(name);
}

export function dependsOnRoot(name: string): boolean {
  return OF_ROOT.has(name);
}
