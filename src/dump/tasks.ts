/** What /proc and system calls tell of the tasks of a frozen tree. */

import { CrctlError } from "../errors.js";
import type { FileIdentity, Sched, Task, Thread } from "../image/schema.js";
import { NAMING_PROBLEMS, makeIdentity, nameOf } from "../kinds/identity.js";
import { native, type FrozenTask, type StatRecord } from "../native.js";
import { unifiedCgroup } from "../proc/cgroup.js";
import { NAMESPACES, TIME_NAMESPACES, namespaceInode } from "../proc/ns.js";
import { parseStat, type ProcStat } from "../proc/stat.js";
import { statusNumber } from "../proc/status.js";
import { viaOf } from "../proc/via.js";
import type { Problems } from "./problems.js";

/** A task with what is not part of the image. */
export interface TaskState {
  frozen: FrozenTask;
  stat: ProcStat;
  /** text of status, of the first thread that lives; "" for a zombie */
  status: string;
  cwd?: FileIdentity;
  root?: FileIdentity;
  umask?: number;
  oomScoreAdj?: number;
  autogroupNice?: number;
  cgroup?: string;
  label?: string;
  uidMap?: string;
  gidMap?: string;
  namespaces?: Record<string, bigint>;
}

const TEXTS = ["stat", "status", "oom_score_adj", "cgroup", "uid_map", "gid_map", "attr/current", "autogroup"] as const;
const LINKS = ["cwd", "root", ...NAMESPACES.map((name) => `ns/${name}` as const)] as const;

/** Security labels that a new task has anyway. */
const DEFAULT_LABELS = new Set(["", "unconfined", "kernel"]);

export function died(pid: number, cause?: unknown): CrctlError {
  return new CrctlError("E_TARGET_DIED", `task ${pid} ended during the dump`, { pid, cause });
}

export function collectTasks(frozen: readonly FrozenTask[], problems: Problems): TaskState[] {
  const own = namespacesOf(native().readLinks(LINKS.slice(2).map((name) => `/proc/self/${name}`)));
  const identities = new Identities(problems);
  const live = frozen.filter((task) => !task.zombie);
  // all of a leader that has exited is there still in its stat, and nothing else
  const texts = native().readTexts(
    live.flatMap((task) => TEXTS.map((name) => `/proc/${name === "stat" ? task.pid : viaOf(task)}/${name}`)),
  );
  const links = native().readLinks(live.flatMap((task) => LINKS.map((name) => `/proc/${viaOf(task)}/${name}`)));
  const stats = native().stats(
    live.flatMap((task) => [`/proc/${viaOf(task)}/cwd`, `/proc/${viaOf(task)}/root`]),
    true,
  );
  let index = 0;
  return frozen.flatMap((task): TaskState[] => {
    if (task.zombie) return zombie(task);
    const i = index++;
    return [
      liveTask(task, {
        texts: texts.slice(i * TEXTS.length, (i + 1) * TEXTS.length),
        links: links.slice(i * LINKS.length, (i + 1) * LINKS.length),
        stats: stats.slice(i * 2, i * 2 + 2),
        own,
        identities,
        problems,
      }),
    ];
  });
}

/** One that was reaped since it was listed leaves nothing to save. */
function zombie(frozen: FrozenTask): TaskState[] {
  const [text] = native().readTexts([`/proc/${frozen.pid}/stat`]);
  return typeof text === "string" ? [{ frozen, stat: parseStat(text), status: "" }] : [];
}

interface Reading {
  texts: readonly (string | number)[];
  links: readonly (string | number)[];
  stats: readonly (StatRecord | number)[];
  own: Record<string, bigint>;
  identities: Identities;
  problems: Problems;
}

function liveTask(frozen: FrozenTask, reading: Reading): TaskState {
  const { pid } = frozen;
  const [statText, status, oom, cgroup, uidMap, gidMap, attr, autogroup] = reading.texts;
  const [cwdLink, rootLink, ...nsLinks] = reading.links;
  const [cwdStat, rootStat] = reading.stats;
  if (typeof statText !== "string" || typeof status !== "string") throw died(pid);
  const stat = parseStat(statText);
  const details = { pid, comm: stat.comm };
  const { problems } = reading;
  if (stat.comm.includes("\uFFFD")) problems.add({ ...details, object: "name of the task", why: "it is not UTF-8" });

  const label = typeof attr === "string" ? attr.replace(/[\0\n]+$/, "") : "";
  if (!DEFAULT_LABELS.has(label.replace(/ \((enforce|complain|unconfined)\)$/, ""))) {
    problems.add({
      ...details,
      object: "security label",
      why: `it runs under the label "${label}", which is not saved yet`,
      hint: "run it unconfined",
    });
  }
  const namespaces = namespacesOf(nsLinks);
  for (const name of NAMESPACES) {
    if (TIME_NAMESPACES.includes(name) || namespaces[name] === reading.own[name]) continue;
    problems.add({
      ...details,
      object: "namespace",
      why: `its ${name} namespace is not that of crctl; namespaces are not saved yet`,
      hint: "dump a tree that was started in the same namespaces, or run crctl inside them",
    });
  }
  const cwd = reading.identities.of(cwdLink, cwdStat, { ...details, object: "working directory" });
  const root = reading.identities.of(rootLink, rootStat, { ...details, object: "root directory" });
  const umask = statusNumber(status, "Umask", 8);
  const autogroupNice = typeof autogroup === "string" ? niceOfAutogroup(autogroup) : 0;
  const path = typeof cgroup === "string" ? unifiedCgroup(cgroup) : undefined;
  return {
    frozen,
    stat,
    status,
    label,
    namespaces,
    ...(cwd === undefined ? {} : { cwd }),
    ...(root === undefined ? {} : { root }),
    ...(umask === undefined ? {} : { umask }),
    ...(typeof oom === "string" ? { oomScoreAdj: Number(oom) } : {}),
    // it is that of the whole session, which the leader makes
    ...(autogroupNice !== 0 && stat.sid === pid ? { autogroupNice } : {}),
    ...(path === undefined ? {} : { cgroup: path }),
    ...(typeof uidMap === "string" ? { uidMap: uidMap.trim() } : {}),
    ...(typeof gidMap === "string" ? { gidMap: gidMap.trim() } : {}),
  };
}

/** "/autogroup-41 nice 5", sched(7); 0 if there is none. */
function niceOfAutogroup(text: string): number {
  return Number(/ nice (-?\d+)/.exec(text)?.[1] ?? 0);
}

/** Working and root directories; most tasks of a tree have the same. */
class Identities {
  private readonly known = new Map<string, FileIdentity | undefined>();
  constructor(private readonly problems: Problems) {}

  of(
    link: string | number | undefined,
    stat: StatRecord | number | undefined,
    details: { pid: number; comm: string; object: string },
  ): FileIdentity | undefined {
    if (typeof link !== "string" || typeof stat !== "object") throw died(details.pid);
    const key = `${stat.dev}:${stat.ino}:${link}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const naming = nameOf(link, stat, true);
    if (naming.state === "named") {
      const identity = makeIdentity(naming.path, stat, false);
      this.known.set(key, identity);
      return identity;
    }
    const problem =
      naming.state === "deleted"
        ? { why: "the directory has been deleted", hint: "make the program change to another directory first" }
        : NAMING_PROBLEMS[naming.state];
    this.problems.add({ ...details, path: link, ...problem });
    return undefined;
  }
}

function namespacesOf(links: readonly (string | number)[]): Record<string, bigint> {
  const namespaces: Record<string, bigint> = {};
  NAMESPACES.forEach((name, i) => {
    const link = links[i];
    const inode = typeof link === "string" ? namespaceInode(link) : undefined;
    if (inode !== undefined) namespaces[name] = inode; // else: the kernel does not have it
  });
  return namespaces;
}

export function zombieTask(state: TaskState): Task {
  const { frozen, stat } = state;
  return {
    pids: [frozen.pid],
    ppid: frozen.ppid,
    pgid: stat.pgid,
    sid: stat.sid,
    comm: stat.comm,
    state: "zombie",
    exitStatus: stat.exitStatus,
    exitSignal: stat.exitSignal,
    threads: [],
    descriptors: [],
  };
}

/** Of all threads of the tree with one call, by tid. */
export function schedulingOf(live: readonly TaskState[]): Map<number, Sched> {
  const tids = [...new Set(live.flatMap(({ frozen }) => [frozen.pid, ...frozen.threads]))];
  return new Map(
    native()
      .scheduling(tids)
      .map((sched, i) => [tids[i] ?? 0, sched]),
  );
}

export function threadsOf(
  threads: readonly { pids: number[]; comm: string; exited: number }[],
  scheduling: ReadonlyMap<number, Sched>,
): Thread[] {
  return threads.map(({ pids, comm, exited }) => {
    const tid = pids[0] ?? 0;
    const sched = scheduling.get(tid);
    if (sched === undefined) throw died(tid);
    return { pids, comm, sched, ...(exited === 0 ? {} : { exited: true }) };
  });
}
