/** Sessions, process groups and controlling terminals: what of them lies outside of the tree. */

import type { OpenFile } from "../image/schema.js";
import { slaveIndex, slavePath } from "../kinds/pty.js";
import { native } from "../native.js";
import { deviceNumbers, parseStat } from "../proc/stat.js";
import type { Problems } from "./problems.js";
import type { TaskState } from "./tasks.js";

const HINT = "use --shell-job: at restore the tree joins the session, group and terminal of its new caller";

/** `ptys`: n of each /dev/pts/n whose master is in the tree. */
export function checkSessions(tasks: readonly TaskState[], ptys: ReadonlySet<number>, problems: Problems): void {
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
    if (stat.ttyDevice !== 0 && !ptys.has(slaveIndex(stat.ttyDevice) ?? NaN)) {
      const { major, minor } = deviceNumbers(stat.ttyDevice);
      problems.add({ ...details, object: "controlling terminal", why: `it has the controlling terminal ${major}:${minor}`, hint: HINT });
    }
  }
}

/** The leader of a session that has a terminal of the tree must be there to take it again. */
export function checkTerminals(tasks: readonly TaskState[], files: readonly OpenFile[], problems: Problems): void {
  const leaders = new Set(tasks.flatMap(({ frozen, stat }) => (stat.sid === frozen.pid && !frozen.zombie ? [frozen.pid] : [])));
  for (const file of files) {
    if (file.kind !== "pty" || file.side !== "master" || file.pty.session === 0 || leaders.has(file.pty.session)) continue;
    problems.add({
      code: "E_SESSION",
      object: "pseudo-terminal",
      path: slavePath(file.pty.index),
      why: `it controls session ${file.pty.session}, whose leader is not in the tree`,
      hint: "dump a tree that has the whole session",
    });
  }
}

/** The ptys of the tree, by their numbers. */
export function ptysOf(files: readonly OpenFile[]): Set<number> {
  return new Set(files.flatMap((file) => (file.kind === "pty" ? [file.pty.index] : [])));
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
