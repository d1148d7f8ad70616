/** Which files of /proc/<pid> can be opened again, proc(5). */

/**
 * Those that ask the process anew with each reading, or its namespaces. Others keep what was its memory when they were opened (maps, mem,
 * environ), or belong to a thread.
 */
const NAMES: ReadonlySet<string> = new Set([
  ...["autogroup", "cgroup", "cmdline", "comm", "coredump_filter", "cpuset", "gid_map", "io", "latency", "limits", "loginuid"],
  ...["mountinfo", "mounts", "mountstats", "oom_adj", "oom_score", "oom_score_adj", "personality", "projid_map", "sched", "schedstat"],
  ...["sessionid", "setgroups", "stack", "stat", "statm", "status", "syscall", "timers", "timerslack_ns", "uid_map", "wchan"],
]);

/** Whether such a file is saved; also those of its network namespace, which /proc/net leads to. */
export function isProcessFileName(name: string): boolean {
  return NAMES.has(name) || /^net\/[a-z0-9_]+$/.test(name);
}
