/**
 * What stands in the way of a dump, told of a tree that runs: nothing is stopped, traced or sent a signal, and nothing is taken from or
 * put into what it has open. Tasks come and go meanwhile, so whatever is seen of one that has ended counts for nothing, and only what
 * a second look sees again is told.
 */

import { closeSync } from "node:fs";

import { CrctlError, isShortage, isSystemError, type Problem } from "../../errors.js";
import type { FileIdentity, OpenFile } from "../../image/schema.js";
import { lookAtDescription } from "../../kinds/dump.js";
import { HUGE_SIZES, hugeMemfdFlags } from "../../kinds/huge.js";
import { MemoryTable } from "../../kinds/memory.js";
import { splitDevice, type Found } from "../../kinds/types.js";
import { native } from "../../native.js";
import { isDead, parseStat } from "../../proc/stat.js";
import { viaOf } from "../../proc/via.js";
import { treeClocks } from "../clocks.js";
import { Contents } from "../contents.js";
import { Context } from "../context.js";
import { HEAD_BYTES } from "../cores.js";
import { collectDescriptors } from "../descriptors.js";
import { checkInterrupted } from "../freeze.js";
import type { DumpOptions } from "../options.js";
import { Outsiders } from "../outside.js";
import { checkModule, checkPermission, checkTarget } from "../preflight.js";
import { Problems } from "../problems.js";
import { checkSessions, checkTerminals, ptysOf } from "../session.js";
import { collectTasks, died, type TaskState } from "../tasks.js";
import { attachmentsOf, mappingsOf, parseAreas, refusalsOf, sharedPolicies, type Area } from "./areas.js";
import { lookAtRelatives, lookAtThreads } from "./threads.js";

export type LookOptions = Pick<DumpOptions, "pid" | "shellJob" | "outsideTcp">;

/** What a restore has to be given. */
export interface Wanted {
  key: string;
  what: string;
  path: string;
  /** descriptor of the root task that it is: crctl's own will do */
  standard?: number;
}

export interface Look {
  pid: number;
  comm: string;
  tasks: number;
  threads: number;
  zombies: number;
  /** private memory, which is copied */
  memoryBytes: bigint;
  /** shared memory and files without a name, holes counted */
  contentBytes: bigint;
  problems: readonly Problem[];
  warnings: readonly string[];
  /** options that a restore will need */
  restoreOptions: string[];
  external: Wanted[];
  /** files that a restore must find */
  files: string[];
}

/** What only a stopped tree, or only the kernel module, tells: for whoever reads that nothing stands in the way. */
export const UNSEEN: readonly string[] = [
  "what is unread in pipes, sockets and terminals, and options and filters of sockets",
  "registers and processor features in use (AMX)",
  "pages with errors or guards",
  "what /proc does not show: LDT, I/O ports, hardware breakpoints, Landlock, SEM_UNDO, newer prctl(2) settings",
];

const PAUSE_MS = 100;

/** Throws what a dump would throw before it stops anything. */
export function lookAtRunning(options: LookOptions): Look {
  native().watchSignals();
  const target = checkTarget(options.pid);
  checkModule();
  checkPermission(options.pid, target.comm);
  const outsiders = new Outsiders(options.pid, true);
  const first = once(options, outsiders);
  if (first.problems.length === 0 && first.external.length === 0) return first;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
  const again = once(options, outsiders);
  const known = new Set(first.problems.map(keyOf));
  const keys = new Set(first.external.map(({ key }) => key));
  return {
    ...again,
    problems: again.problems.filter((problem) => known.has(keyOf(problem))),
    external: again.external.filter(({ key }) => keys.has(key)),
  };
}

/** Counts in a sentence change. */
function keyOf({ code, pid, tid, fd, object, address, path, why }: Problem): string {
  return [code, pid, tid, fd, object, address, path, why.replace(/\d+/g, "")].join(" ");
}

/** As dump() ends where something stands in the way. */
export function checkLook({ problems, warnings }: Look): void {
  const [first] = problems;
  if (first === undefined) return;
  const what = problems.length === 1 ? "something that cannot be saved" : `${problems.length} things that cannot be saved`;
  throw new CrctlError(first.code, `the tree has ${what}; it was not stopped`, {
    problems,
    hint: [...warnings.map((text) => `note: ${text}`), `seen only when the tree is stopped: ${UNSEEN.join("; ")}`].join("; "),
  });
}

function once(options: LookOptions, outsiders: Outsiders): Look {
  const problems = new Problems();
  const states = tasksOf(options.pid, problems);
  const live = states.filter((state) => !state.frozen.zombie);
  outsiders.except(new Set(states.map((state) => state.frozen.pid)));
  for (const { frozen, stat } of live) passing(() => checkPermission(frozen.pid, stat.comm));

  const calls = live.flatMap((state) => passing(() => lookAtThreads(state, (problem) => problems.add(problem))) ?? []);
  lookAtRelatives(live, (pid, comm, problem) => problems.add({ pid, comm, ...problem }));
  treeClocks(live, options.pid, problems);
  warnOfCalls(calls, problems);
  checkInterrupted();

  const contents = new Contents();
  const memory = new MemoryTable({ refuse: (problem) => problems.add(problem), contents });
  const { memoryBytes, attached } = lookAtMemory(live, memory, problems);
  checkInterrupted();

  const files = lookAtDescriptors(live, options, { problems, contents, memory, outsiders });
  const session = new Problems();
  checkSessions(states, ptysOf(files), session);
  if (!options.shellJob) for (const problem of session.found) problems.add(problem);
  checkTerminals(states, files, problems);
  outsiders.checkMemory(memory.files, problems);
  memory.checkSegments(attached, outsiders);
  outsiders.checkDeleted(memory.files, files, problems);

  const gone = endedSince(states);
  if (gone.has(options.pid)) throw died(options.pid);
  const left = states.filter(({ frozen }) => !gone.has(frozen.pid));
  const root = left.find(({ frozen }) => frozen.pid === options.pid);
  return {
    pid: options.pid,
    comm: root?.stat.comm ?? "",
    tasks: left.length,
    threads: left.reduce((sum, { frozen }) => sum + frozen.threads.length, 0),
    zombies: left.filter(({ frozen }) => frozen.zombie).length,
    memoryBytes: memoryBytes + HEAD_BYTES * BigInt(live.length),
    contentBytes: contents.totalBytes,
    problems: distinct(problems.found.filter(({ pid }) => pid === undefined || !gone.has(pid))),
    warnings: problems.warnings,
    restoreOptions: session.found.length > 0 ? ["--shell-job"] : [],
    external: externalOf(files),
    files: namesOf(left, memory, files),
  };
}

/** Undefined: the task has ended, or has closed what was looked at. What we lack ourselves is another matter, and so is a refusal. */
function passing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof CrctlError ? error.code !== "E_TARGET_DIED" : !isSystemError(error) || isShortage(error)) throw error;
    return undefined;
  }
}

function tasksOf(root: number, problems: Problems): TaskState[] {
  return native()
    .listTree(root)
    .flatMap((task) => passing(() => collectTasks([task], problems)) ?? []);
}

/** Those that are not there any more, or no more as the same: an id may be given again. */
function endedSince(states: readonly TaskState[]): Set<number> {
  const stats = native().readTexts(states.map(({ frozen }) => `/proc/${frozen.pid}/stat`));
  return new Set(
    states.flatMap(({ frozen: { pid, zombie }, stat }, i) => {
      const text = stats[i];
      const now = typeof text === "string" ? parseStat(text) : undefined;
      const same = now?.startTicks === stat.startTicks && (zombie || isDead(stat) || !isDead(now));
      return same ? [] : [pid];
    }),
  );
}

function warnOfCalls(calls: readonly string[], problems: Problems): void {
  if (calls.length === 0) return;
  const names = [...new Set(calls)].sort().join(", ");
  const who = calls.length === 1 ? "a thread waits in a call" : `${calls.length} threads wait in calls`;
  problems.warn(`${who} that will return EINTR after a dump, as after any stop (${names})`);
}

/** Where the kernel keeps memory that is shared without a name: "major:minor" of its tmpfs, and of a hugetlbfs for each size of pages. */
function kernelDevices(): ReadonlySet<string> {
  const huge = HUGE_SIZES.map((pageBytes) => hugeMemfdFlags({ pageBytes }));
  return new Set([0, ...huge].flatMap((flags) => deviceOfMemfds(flags) ?? []));
}

const MFD_CLOEXEC = 1;

/** Undefined: there are no pages of that size. */
function deviceOfMemfds(flags: number): string | undefined {
  let fd;
  try {
    fd = native().memfdCreate("crctl-check", MFD_CLOEXEC | flags);
  } catch (error) {
    if (flags === 0 || !isSystemError(error) || isShortage(error)) throw error;
    return undefined;
  }
  try {
    const [stat] = native().stats([`/proc/self/fd/${fd}`], true);
    if (typeof stat !== "object") return undefined;
    const { major, minor } = splitDevice(stat.dev);
    return `${major}:${minor}`;
  } finally {
    closeSync(fd);
  }
}

function lookAtMemory(
  live: readonly TaskState[],
  memory: MemoryTable,
  problems: Problems,
): { memoryBytes: bigint; attached: Map<bigint, number> } {
  const devices = kernelDevices();
  const attached = new Map<bigint, number>();
  let memoryBytes = 0n;
  for (const { frozen, stat } of live) {
    const { pid } = frozen;
    const { comm } = stat;
    const via = viaOf(frozen);
    const areas = areasOf(via);
    // one without memory is on its way out
    if (areas.length === 0) continue;
    for (const area of areas) {
      memoryBytes += area.ownBytes;
      for (const refusal of refusalsOf(area)) problems.add({ pid, comm, ...refusal });
    }
    const [numa] = native().readTexts([`/proc/${via}/numa_maps`]);
    for (const refusal of typeof numa === "string" ? sharedPolicies(numa, areas, devices) : []) problems.add({ pid, comm, ...refusal });
    for (const [id, count] of attachmentsOf(areas, devices)) attached.set(id, (attached.get(id) ?? 0) + count);
    memory.addMappings(mappingsOf(frozen, comm, areas, devices));
  }
  return { memoryBytes, attached };
}

function areasOf(pid: number): Area[] {
  const [smaps, maps] = native().readTexts([`/proc/${pid}/smaps`, `/proc/${pid}/maps`]);
  // a kernel without CONFIG_PROC_PAGE_MONITOR has no smaps
  const text = typeof smaps === "string" ? smaps : maps;
  return typeof text === "string" ? parseAreas(text) : [];
}

interface Parts {
  problems: Problems;
  contents: Contents;
  memory: MemoryTable;
  outsiders: Outsiders;
}

function lookAtDescriptors(live: readonly TaskState[], options: LookOptions, parts: Parts): OpenFile[] {
  const context = new Context(descriptionsOf(live, parts.problems), options.pid, parts, options.outsideTcp, true);
  return context.files.map((file) => passing(() => lookAtDescription(file, context))).filter((file) => file !== undefined);
}

const TRIES = 20;

/** A task that ends, or closes something, between two calls spoils one try. */
function descriptionsOf(live: readonly TaskState[], problems: Problems): Found[] {
  let rest = live;
  for (let tries = 0; tries < TRIES; tries++) {
    const unreadable = new Problems();
    const found = passing(() => collectDescriptors(rest, new Map(), unreadable));
    // one that was closed before it could be examined is in the next look, if at all
    if (found !== undefined) {
      for (const problem of unreadable.found) if (!problem.why.includes(`(error ${ENOENT})`)) problems.add(problem);
      return found.files;
    }
    const gone = endedSince(rest);
    rest = rest.filter(({ frozen }) => !gone.has(frozen.pid));
  }
  problems.warn("the descriptors of the tree change too fast to be looked at");
  return [];
}

const ENOENT = 2;

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [keyOf(problem), problem])).values()];
}

function externalOf(files: readonly OpenFile[]): Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const file of files) {
    if (file.kind !== "external") continue;
    const { key, what, path, standard } = file;
    const known = wanted.get(key);
    if (known?.standard === undefined) wanted.set(key, { key, what, path, ...(standard === undefined ? {} : { standard }) });
  }
  return [...wanted.values()];
}

/** By the names under which they are opened again. */
function namesOf(states: readonly TaskState[], memory: MemoryTable, files: readonly OpenFile[]): string[] {
  const identities: (FileIdentity | undefined)[] = [
    ...states.flatMap(({ cwd, root }) => [cwd, root]),
    ...memory.files.map(({ identity }) => identity),
    ...files.flatMap((file) =>
      "identity" in file ? [file.identity] : file.kind === "inotify" ? file.watches.map(({ identity }) => identity) : [],
    ),
  ];
  return [...new Set(identities.flatMap((identity) => (identity === undefined || identity.deleted ? [] : [identity.path])))].sort();
}
