/** Sessions, process groups and controlling terminals: what of them lies outside of the tree. */

import { native } from "../native.js";
import { deviceNumbers, parseStat } from "../proc/stat.js";
import type { Problems } from "./problems.js";
import type { TaskState } from "./tasks.js";

const HINT = "use --shell-job: at restore the tree joins the session, group and terminal of its new caller";

export function checkSessions(tasks: readonly TaskState[], problems: Problems): void {
  const pids = new Set(tasks.map((task) => task.frozen.pid));
  const outside = new Outside(pids);
  for (const { frozen, stat } of tasks) {
    const details = { pid: frozen.pid, comm: stat.comm, code: "E_SESSION" } as const;
    if (outside.exists(stat.sid)) {
      problems.add({
        ...details,
        object: "session",
        why: `its session is led by task ${stat.sid} (${outside.comm(stat.sid)}), which is not in the tree`,
        hint: HINT,
      });
      continue; // the rest follows from that
    }
    if (outside.exists(stat.pgid)) {
      problems.add({
        ...details,
        object: "process group",
        why: `its process group is led by task ${stat.pgid} (${outside.comm(stat.pgid)}), which is not in the tree`,
        hint: HINT,
      });
    }
    if (stat.ttyDevice !== 0) {
      const { major, minor } = deviceNumbers(stat.ttyDevice);
      problems.add({ ...details, object: "controlling terminal", why: `it has the controlling terminal ${major}:${minor}`, hint: HINT });
    }
  }
}

/** Tasks that are not in the tree. A leader that has ended leaves only a number, which restores as it is. */
class Outside {
  private readonly comms = new Map<number, string | undefined>();
  constructor(private readonly inside: ReadonlySet<number>) {}

  exists(pid: number): boolean {
    return !this.inside.has(pid) && this.comm(pid) !== undefined;
  }

  comm(pid: number): string | undefined {
    if (pid === 0) return "in another pid namespace";
    if (!this.comms.has(pid)) {
      const [text] = native().readTexts([`/proc/${pid}/stat`]);
      this.comms.set(pid, typeof text === "string" ? parseStat(text).comm : undefined);
    }
    return this.comms.get(pid);
  }
}
