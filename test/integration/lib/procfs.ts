/** A process tree as /proc shows it: everything that must be the same after a restore. */

import { readFileSync, readdirSync, readlinkSync, statSync } from "node:fs";

export interface ThreadView {
  name: string;
  status: Record<string, string>;
}

export interface FileView {
  link: string;
  info: Record<string, string>;
}

export interface TaskView {
  comm: string;
  state: string;
  ppid: number;
  group: number;
  session: number;
  exitSignal: number;
  /** absent for a zombie */
  live?: {
    nice: string;
    policy: string;
    exe: string;
    cwd: string;
    root: string;
    cmdline: string;
    environ: string;
    auxv: string;
    status: Record<string, string>;
    settings: Record<string, string>;
    /** lines of maps, each with its VmFlags */
    maps: string[];
    files: Record<string, FileView>;
    threads: Record<string, ThreadView>;
    namespaces: Record<string, string>;
    /** what the time namespace, which is a new one afterwards, adds to the machine's clocks */
    clocks: string;
  };
}

export type TreeView = Record<string, TaskView>;

/** Lines of /proc/<pid>/status that are state and not history: of each thread, and of the process besides. */
const THREAD_STATUS = [
  "Uid",
  "Gid",
  "Groups",
  "SigPnd",
  "SigBlk",
  "CapInh",
  "CapPrm",
  "CapEff",
  "CapBnd",
  "CapAmb",
  "NoNewPrivs",
  "Seccomp",
  "Seccomp_filters",
  "Cpus_allowed",
];
const STATUS = [
  ...THREAD_STATUS,
  "Umask",
  "Tgid",
  "NStgid",
  "Threads",
  "ShdPnd",
  "SigIgn",
  "SigCgt",
  "Speculation_Store_Bypass",
  "Mems_allowed",
  "VmLck",
  "THP_enabled",
];
const SETTINGS = ["limits", "oom_score_adj", "coredump_filter", "personality", "timerslack_ns", "timers", "cgroup"];

/** Flags of a mapping that come and go by themselves: soft-dirty, accounted; that only exec can set (until 5.16): deny write. */
const VOLATILE_VM_FLAGS = /\b(sd|ac|dw)\b ?/g;

function read(path: string): string {
  return readFileSync(path, "latin1");
}

/** SIGUSR1 and SIGUSR2: test programs block them, and while they wait for them (rt_sigtimedwait) /proc shows them as not blocked. */
const WAITED_FOR = 0xa00n;

/**
 * Without pending signals that are not blocked: they are on their way, and gone at the next look. (Those of a process that is
 * stopped stay, and its program looks whether they come back.) Whether a program has come from "ready" to its wait yet is not
 * looked at: one that had lost its blocking of these signals would die of the next.
 */
function settled(status: Record<string, string>): Record<string, string> {
  const blocked = BigInt(`0x${status.SigBlk ?? "0"}`);
  const seen: Record<string, string> = { ...status, SigBlk: (blocked | WAITED_FOR).toString(16).padStart(16, "0") };
  for (const key of ["SigPnd", "ShdPnd"])
    if (seen[key] !== undefined) seen[key] = (BigInt(`0x${seen[key]}`) & blocked).toString(16).padStart(16, "0");
  return seen;
}

/** proc(5): undefined while the kernel has no such process. */
function stat(pid: number): { comm: string; fields: string[] } | undefined {
  let text: string;
  try {
    text = read(`/proc/${pid}/stat`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return undefined;
    throw error;
  }
  const end = text.lastIndexOf(")");
  return {
    comm: text.slice(text.indexOf("(") + 1, end),
    fields: text
      .slice(end + 2)
      .trim()
      .split(" "),
  };
}

/** The state letter, undefined if there is no such process. */
export function stateOf(pid: number): string | undefined {
  return stat(pid)?.fields[0];
}

/** Its threads that have not exited, the one with its own id first, if that is among them. */
function livingThreads(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map(Number)
      .filter((tid) => (stat(tid)?.fields[0] ?? "X") !== "Z" && (stat(tid)?.fields[0] ?? "X") !== "X");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return [];
    throw error;
  }
}

/** Whether it is no more, or waits for its parent: that its first thread has exited does not mean that. */
export function hasEnded(pid: number): boolean {
  return livingThreads(pid).length === 0;
}

export function children(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .flatMap((tid) => read(`/proc/${pid}/task/${tid}/children`).split(" "))
      .filter((child) => child !== "")
      .map(Number);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return [];
    throw error;
  }
}

export function pidsOfTree(root: number): number[] {
  return [root, ...children(root).flatMap(pidsOfTree)];
}

/** The threads of a tree that run, or would if they were let: "pid/tid". */
export function runningIn(root: number): string[] {
  return pidsOfTree(root).flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`)
      .filter((tid) => /^\d+ \(.*\) [RD]/s.test(read(`/proc/${pid}/task/${tid}/stat`)))
      .map((tid) => `${pid}/${tid}`),
  );
}

function lines(path: string, wanted: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of read(path).split("\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    if (wanted.includes(name)) found[name] = line.slice(colon + 1).trim();
  }
  return found;
}

/**
 * Inodes that exist only as long as somebody holds them get new numbers: they
 * are named by the order in which they are met, which keeps who shares what.
 */
class Renaming {
  readonly #names = new Map<string, string>();

  name(kind: string, inode: string): string {
    const key = `${kind} ${inode}`;
    const known = this.#names.get(key) ?? `${kind}#${this.#names.size}`;
    this.#names.set(key, known);
    return known;
  }
}

function mapsLine(line: string, rename: Renaming): string {
  const parts = /^(\S+ \S+ \S+) (\S+) (\d+) +(.*)$/.exec(line);
  if (parts === null) return line;
  const [, place = "", device, inode, name = ""] = parts;
  // no file but in name: each comes back as one of its own
  if (name.startsWith("/anon_hugepage ") && /^\S+ \S{3}p /.test(place)) return `${place.replace(/ \S+$/, "")} ${name}`;
  // ids of System V shared memory stay
  return name.endsWith(" (deleted)") && !/^\/SYSV[0-9a-f]{8} /.test(name)
    ? `${place} ${rename.name("inode", `${device} ${inode}`)} ${name}`
    : `${place} ${device} ${inode} ${name}`;
}

/** O_TMPFILE, which contains O_DIRECTORY: how a file was made, not what may be done with it. */
const MADE_WITHOUT_NAME = 0o20200000;

/**
 * A file without a name comes back as another one without a name, and one that lost the name it was opened by may
 * come back by another of its names: files are told apart by what they are, not by what they were once called.
 */
function fileView(pid: number, fd: string, rename: Renaming): FileView {
  const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
  const info = lines(`/proc/${pid}/fdinfo/${fd}`, ["pos", "flags"]);
  // what has a number of the kernel's only
  const [, kind, number] = /^(pipe|socket):\[(\d+)\]$/.exec(link) ?? [];
  if (kind !== undefined && number !== undefined) return { link: rename.name(kind, number), info };
  const stat = statSync(`/proc/${pid}/fd/${fd}`, { bigint: true });
  if (!stat.isFile() || link.startsWith("/memfd:")) return { link, info };
  // a process has new inodes in /proc when it is restored
  if (link.startsWith("/proc/")) return { link: link.replace(/ \(deleted\)$/, ""), info };
  if (stat.nlink > 0n) return { link: `file ${stat.dev}:${stat.ino}`, info };
  const flags = Number.parseInt(info.flags ?? "", 8) & ~MADE_WITHOUT_NAME;
  return { link: `a deleted file, ${rename.name("inode", `${stat.dev} ${stat.ino}`)}`, info: { ...info, flags: flags.toString(8) } };
}

function vmFlags(pid: number): string[] {
  return read(`/proc/${pid}/smaps`)
    .split("\n")
    .filter((line) => line.startsWith("VmFlags:"))
    .map((line) => line.slice(9).replace(VOLATILE_VM_FLAGS, "").trim());
}

/**
 * Neighbours of private anonymous memory that only history keeps apart (their pages had other owners once, as after
 * fork, or they were moved) come back as one: programs cannot tell, but by reading this.
 */
function mergedMaps(pid: number, rename: Renaming): string[] {
  const flags = vmFlags(pid);
  const merged: { line: string; mergeable: string | undefined; end: string }[] = [];
  read(`/proc/${pid}/maps`)
    .trimEnd()
    .split("\n")
    .forEach((text, i) => {
      const line = `${mapsLine(text, rename)} ${flags[i] ?? ""}`;
      const [, start = "", end = "", rest = ""] = /^([0-9a-f]+)-([0-9a-f]+) (.*)$/.exec(line) ?? [];
      const mergeable = /^\S+ \S{3}p 00000000 00:00 0\s*$/.test(text) ? rest : undefined;
      const last = merged.at(-1);
      if (last !== undefined && mergeable !== undefined && last.mergeable === mergeable && last.end === start) {
        last.line = `${last.line.split("-", 1)[0] ?? ""}-${end} ${rest}`;
        last.end = end;
      } else {
        merged.push({ line, mergeable, end });
      }
    });
  return merged.map(({ line }) => line);
}

function threadView(pid: number, tid: string): ThreadView {
  const directory = `/proc/${pid}/task/${tid}`;
  const name = read(`${directory}/comm`).trimEnd();
  // what is left of a first thread that has exited
  if (stateOf(Number(tid)) === "Z") return { name, status: lines(`${directory}/status`, ["State", "Uid", "Gid", "Groups", "CapPrm"]) };
  return { name, status: settled(lines(`${directory}/status`, THREAD_STATUS)) };
}

function entries<T>(names: readonly string[], value: (name: string) => T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, value(name)]));
}

function taskView(pid: number, isRoot: boolean, rename: Renaming): TaskView {
  const found = stat(pid);
  if (found === undefined) throw new Error(`task ${pid} has gone while it was looked at`);
  const field = (number: number): string => found.fields[number - 3] ?? "";
  const state = field(3);
  const view: TaskView = {
    comm: found.comm,
    // running or sleeping is a matter of the moment
    state: state === "Z" || state === "T" ? state : "alive",
    // a restored root has whoever restored it, or process 1
    ppid: isRoot ? 0 : Number(field(4)),
    group: Number(field(5)),
    session: Number(field(6)),
    exitSignal: Number(field(38)),
  };
  const [via] = livingThreads(pid);
  if (via === undefined) return view;
  const directory = `/proc/${via}`;
  view.live = {
    nice: field(19),
    policy: `${field(41)} ${field(40)}`,
    exe: readlinkSync(`${directory}/exe`),
    cwd: readlinkSync(`${directory}/cwd`),
    root: readlinkSync(`${directory}/root`),
    cmdline: read(`${directory}/cmdline`),
    environ: read(`${directory}/environ`),
    auxv: readFileSync(`${directory}/auxv`).toString("hex"),
    status: settled(lines(`${directory}/status`, STATUS)),
    settings: entries(SETTINGS, (name) => read(`${directory}/${name}`)),
    maps: mergedMaps(via, rename),
    files: entries(readdirSync(`${directory}/fd`), (fd) => fileView(via, fd, rename)),
    threads: entries(readdirSync(`${directory}/task`), (tid) => threadView(pid, tid)),
    namespaces: entries(
      readdirSync(`${directory}/ns`).filter((name) => !name.startsWith("time")),
      (name) => readlinkSync(`${directory}/ns/${name}`),
    ),
    clocks: read(`${directory}/timens_offsets`),
  };
  return view;
}

export function viewTree(root: number): TreeView {
  const rename = new Renaming();
  const view: TreeView = {};
  for (const pid of pidsOfTree(root).sort((a, b) => a - b)) view[pid] = taskView(pid, pid === root, rename);
  return view;
}

/** What differs, one line each: "1234.live.status.SigBlk: 0 -> 1". */
export function differences(before: unknown, after: unknown, path = ""): string[] {
  if (before === after) return [];
  if (typeof before !== "object" || typeof after !== "object" || before === null || after === null) {
    return [`${path}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`];
  }
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].flatMap((name) =>
    differences(
      (before as Record<string, unknown>)[name],
      (after as Record<string, unknown>)[name],
      path === "" ? name : `${path}.${name}`,
    ),
  );
}
