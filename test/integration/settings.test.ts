/** Credentials and other settings of a task; the rows of exec's commit list are here and in time.test.ts. */

import { describeRows } from "./lib/scenario.js";

const SETTINGS = [
  "no_new_privs", "dumpable", "pdeathsig", "child_subreaper", "timer_slack", "thp_disable", "umask", "nice", "oom_score_adj",
  "coredump_filter", "personality", "ioprio", "affinity", "fifo", "batch", "rlimits",
];

describeRows("settings", [
  { program: "creds", args: ["mixed"] },
  { program: "creds", args: ["nobody"] },
  { program: "creds", args: ["ambient"] },
  { program: "creds", args: ["weak-root"] },
  { program: "creds", args: ["bounded"] },
  // Half of them and the other half: a setting of the first half must not appear in the second.
  { program: "task_settings", args: SETTINGS.filter((_, i) => i % 2 === 0) },
  { program: "task_settings", args: SETTINGS.filter((_, i) => i % 2 === 1) },
  { program: "pdeathsig" },
  { program: "cwd_root" },
  { program: "cwd_root", args: ["chroot"] },
  { program: "seccomp" },
  { program: "seccomp_strict" },
]);
