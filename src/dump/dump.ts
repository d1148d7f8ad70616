/** The whole of a dump, in order: check, freeze, look, refuse or copy, let go, complete. */

import { randomBytes } from "node:crypto";
import { closeSync } from "node:fs";
import * as os from "node:os";

import { CrctlError, isSystemError } from "../errors.js";
import { fault } from "../fault.js";
import { coreName, FILES, IPC, MEMORY, TASKS, TCP_KEEP } from "../image/names.js";
import {
  IMAGE_VERSION,
  type Descriptor,
  type Inventory,
  type Ipc,
  type OpenFile,
  type ProcessLock,
  type Sched,
  type Task,
} from "../image/schema.js";
import { ImageWriter } from "../image/write.js";
import { dumpDescription, prepareDescriptions } from "../kinds/dump.js";
import { keepDuplicates } from "../kinds/duplicates.js";
import { processLocks } from "../kinds/locks.js";
import { MemoryTable } from "../kinds/memory.js";
import { slaveIndex } from "../kinds/pty.js";
import { HeldConnections } from "../kinds/tcp/held.js";
import { dumpIpc } from "../kinds/sysv/tree.js";
import { native } from "../native.js";
import { bootId } from "../proc/clocks.js";
import { hasEnded, parseStat } from "../proc/stat.js";
import { VERSION } from "../version.js";
import { treeClocks } from "./clocks.js";
import { Contents } from "./contents.js";
import { Context } from "./context.js";
import { openCores, reserveCores, type Core } from "./cores.js";
import { collectDescriptors } from "./descriptors.js";
import { checkDeathSignals } from "./exited.js";
import { checkInterrupted, FrozenTree } from "./freeze.js";
import type { DumpOptions, DumpResult, Progress } from "./options.js";
import { Outsiders } from "./outside.js";
import { checkModule, checkPermission, checkTarget } from "./preflight.js";
import { Problems } from "./problems.js";
import { rehearse } from "./rehearse.js";
import { readSeccomp } from "./seccomp.js";
import { checkSessions, checkTerminals, ptysOf } from "./session.js";
import { collectTasks, died, schedulingOf, threadsOf, zombieTask, type TaskState } from "./tasks.js";

/** Where the time goes: what a person sees with -v. */
class Stopwatch {
  readonly phases: Record<string, bigint> = {};
  private last = process.hrtime.bigint();

  lap(phase: string): void {
    const now = process.hrtime.bigint();
    this.phases[phase] = (this.phases[phase] ?? 0n) + now - this.last;
    this.last = now;
  }
}

/** For how long the tree is let go, in ms, each time that nothing stands in the way but what may pass by itself. */
const PAUSES_MS = [10, 30, 100, 300];

/** How long the default waits for the ids of the killed tasks to be free. */
const KILL_TIMEOUT_MS = 5000;

/** What is known of the frozen tree, and enough to write an image without looking at it again. */
interface Collected {
  states: TaskState[];
  cores: Core[];
  tables: ReadonlyMap<number, Descriptor[]>;
  files: OpenFile[];
  /** n of each /dev/pts/n among them */
  ptys: ReadonlySet<number>;
  /** by pid */
  locks: ReadonlyMap<number, ProcessLock[]>;
  memory: MemoryTable;
  ipc: Ipc;
  contents: Contents;
  /** by tid */
  scheduling: ReadonlyMap<number, Sched>;
  rlimits: ReadonlyMap<number, Task["rlimits"]>;
  seccomp: ReadonlyMap<number, Task["seccomp"]>;
  clocks: Pick<Inventory, "clocks" | "timeOffsets">;
  /** descriptors of ours: connections whose ends are all in the tree */
  connections: readonly number[];
}

export function dump(options: DumpOptions, progress: Progress): DumpResult {
  const startNs = process.hrtime.bigint();
  const watch = new Stopwatch();
  native().watchSignals();
  const target = checkTarget(options.pid);
  checkModule();
  checkPermission(options.pid, target.comm);
  const outsiders = new Outsiders(options.pid);
  watch.lap("check");
  rehearse(options, outsiders);
  fault("dump.checked");
  watch.lap("rehearse");
  const problems = new Problems();
  const writer = ImageWriter.open(options.dir, { force: options.force });
  let tree: FrozenTree | undefined;
  let held: HeldConnections | undefined;
  try {
    fault("dump.opened");
    watch.lap("check");
    reserveCores(native().listTree(options.pid), writer);
    fault("dump.reserved");
    watch.lap("reserve");
    let collected: Collected;
    let frozenBeforeNs = 0n;
    for (let attempt = 0; ; attempt++) {
      tree = FrozenTree.freeze(options.pid, options.freezeTimeoutMs);
      watch.lap("freeze");
      fault("dump.frozen");
      if (options.outsideTcp === "keep") {
        held = HeldConnections.hold(tree.live);
        fault("dump.held");
        watch.lap("hold");
      }
      writer.keepReserved(new Set(tree.live.map(({ pid }) => coreName(pid))));
      collected = collect(tree, options, { outsiders, problems, watch, ...(held === undefined ? {} : { held }) });
      const pauseMs = PAUSES_MS[attempt];
      if (pauseMs === undefined || !problems.willPass) break;
      letGo(collected, tree, held);
      frozenBeforeNs += tree.frozenNs;
      held = undefined;
      fault("dump.again");
      pause(pauseMs);
      checkInterrupted();
      problems.clear();
      watch.lap("again");
    }
    let bytes: bigint;
    try {
      problems.check();
      const kept = held?.settle(collected.files) ?? 0;
      if (kept > 0) problems.warn(`TCP connections out of the tree that nothing gets through until it is restored: ${kept}`);
      fault("dump.collected");
      bytes = copy(collected, writer, progress);
    } finally {
      for (const core of collected.cores) core.close();
    }
    fault("dump.copied");
    watch.lap("copy");
    if (options.after !== "kill") for (const fd of collected.connections) closeSync(fd);
    if (options.after === "run") {
      tree.thaw();
      fault("dump.thawed");
    }
    watch.lap("end");
    const id = randomBytes(16).toString("hex");
    const { states } = collected;
    bytes += writeMetadata(collected, writer);
    const stats = { tasks: states.length, threads: tree.threadCount, bytes, frozenNs: frozenBeforeNs + tree.frozenNs };
    checkInterrupted();
    watch.lap("metadata");
    writer.finish({ ...inventoryOf(collected, options, id), stats });
    watch.lap("sync");
    fault("dump.complete");
    if (options.after === "stop") tree.stop();
    if (options.after === "kill") {
      held?.leave(options.pid);
      fault("dump.left");
      const left = tree.kill(KILL_TIMEOUT_MS).filter((pid) => pid !== options.pid);
      if (left.length > 0) problems.warn(`ended, but not waited for by their parents yet: ${left.join(", ")}; a restore needs these ids`);
      // or their last packets would hold the addresses for a minute
      native().closeQuietly(collected.connections);
    }
    progress.stop();
    fault("dump.ended");
    watch.lap("end");
    return {
      dir: options.dir,
      id,
      pid: options.pid,
      tasks: stats.tasks,
      threads: stats.threads,
      zombies: states.filter((state) => state.frozen.zombie).length,
      bytes,
      frozenNs: frozenBeforeNs + tree.frozenNs,
      totalNs: process.hrtime.bigint() - startNs,
      after: options.after,
      phasesNs: watch.phases,
      warnings: problems.warnings,
    };
  } catch (error) {
    let cause = error;
    try {
      cause = explain(error, tree);
    } catch {
      // what cannot be explained is told as it is
    }
    tree?.thaw();
    progress.stop();
    writer.abandon();
    throw cause;
  } finally {
    held?.close();
  }
}

/** Forgets what was seen of a tree that goes on. */
function letGo({ cores, connections }: Collected, tree: FrozenTree, held: HeldConnections | undefined): void {
  for (const core of cores) core.close();
  for (const fd of connections) closeSync(fd);
  tree.thaw();
  held?.close();
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A frozen task that is killed is the cause of whatever went wrong then. */
function explain(error: unknown, tree: FrozenTree | undefined): unknown {
  if (error instanceof CrctlError && error.code === "E_INTERRUPTED") return error;
  const live = tree?.live ?? [];
  const stats = native().readTexts(live.map(({ pid }) => `/proc/${pid}/stat`));
  const gone = live.find((_, i) => {
    const stat = stats[i];
    return typeof stat !== "string" || hasEnded(parseStat(stat));
  });
  if (gone !== undefined) return died(gone.pid, error);
  if (!isSystemError(error)) return error;
  return new CrctlError("E_KERNEL", `the tree could not be read: ${error.message}`, { cause: error });
}

interface Tools {
  outsiders: Outsiders;
  problems: Problems;
  watch: Stopwatch;
  held?: HeldConnections;
}

function collect(tree: FrozenTree, options: DumpOptions, { outsiders, problems, watch, held }: Tools): Collected {
  const states = collectTasks(tree.tasks, problems);
  const clocks = treeClocks(states, options.pid, problems);
  fault("dump.tasks");
  const live = states.filter((state) => !state.frozen.zombie);
  outsiders.except(new Set(states.map((state) => state.frozen.pid)));

  watch.lap("tasks");

  const cores = openCores(live);
  watch.lap("cores");
  try {
    const contents = new Contents(cores[0]?.dump);
    const memory = new MemoryTable({
      refuse: (problem) => problems.add(problem),
      contents,
    });
    for (const core of cores) core.refusals(problems);
    const saved = cores.filter((core) => !core.refused);
    checkDeathSignals(saved, problems);
    memory.addMappings(saved.flatMap((core) => core.mappings()));
    watch.lap("memory");

    const { files: found, tables } = collectDescriptors(
      live,
      new Map(saved.map((core) => [core.task.frozen.pid, core.head.descriptors()])),
      problems,
    );
    const context = new Context(
      found,
      options.pid,
      { problems, contents, memory, outsiders, ...(held === undefined ? {} : { held }) },
      options.outsideTcp,
    );
    const dumps = new Map(cores.map((core) => [core.task.frozen.pid, core.fd]));
    const files = keepDuplicates(dumps, () => {
      prepareDescriptions(context);
      return found.map((file) => dumpDescription(file, context)).filter((file) => file !== undefined);
    });
    if (files.length < found.length && problems.found.length === 0)
      throw new Error(`${found.length - files.length} open files were passed over, and nobody said why`);
    const ptys = ptysOf(files);
    if (!options.shellJob) checkSessions(states, ptys, problems);
    checkTerminals(states, files, problems);
    outsiders.checkMemory(memory.files, problems);
    // of a task that is refused it is not known
    if (saved.length === cores.length) memory.checkSegments(sumOf(saved), outsiders);
    outsiders.checkDeleted(memory.files, files, problems);
    watch.lap("descriptors");
    const ipc = dumpIpc(
      saved.map(({ task, head }) => ({ pid: task.frozen.pid, head })),
      { inTree: (pid) => outsiders.inTree(pid), refuse: (problem) => problems.add(problem) },
    );
    watch.lap("ipc");
    const scheduling = schedulingOf(live);
    const rlimits = new Map(live.map(({ frozen }) => [frozen.pid, native().rlimits(frozen.pid)]));
    const seccomp = new Map(saved.map((core) => [core.task.frozen.pid, readSeccomp(core, problems)]));
    watch.lap("tasks");
    const locks = processLocks(found);
    return {
      states,
      cores,
      tables,
      files,
      ptys,
      locks,
      memory,
      ipc,
      contents,
      clocks,
      scheduling,
      rlimits,
      seccomp,
      connections: context.quietly,
    };
  } catch (error) {
    for (const core of cores) core.close();
    throw error;
  }
}

/** Mappings of System V shared memory in the whole tree, by id. */
function sumOf(cores: readonly Core[]): Map<bigint, number> {
  const sum = new Map<bigint, number>();
  for (const { head } of cores) for (const [id, count] of head.attachments()) sum.set(id, (sum.get(id) ?? 0) + count);
  return sum;
}

/** Returns the bytes copied. */
function copy(collected: Collected, writer: ImageWriter, progress: Progress): bigint {
  const { cores, contents } = collected;
  const coreBytes = cores.reduce((sum, core) => sum + core.head.fileBytes, 0n);
  progress.start(coreBytes + contents.totalBytes);
  for (const core of cores) core.copy(writer, progress);
  return coreBytes + contents.copy(writer, progress);
}

/** From here on the tree may run again: all is in memory. Returns the bytes written. */
function writeMetadata(collected: Collected, writer: ImageWriter): bigint {
  for (const core of collected.cores) writer.setHash(core.name, core.headBytes);
  return (
    writer.writeMetadata(FILES, collected.files) +
    writer.writeMetadata(MEMORY, collected.memory.files) +
    (collected.ipc.semaphores.length + collected.ipc.queues.length > 0 ? writer.writeMetadata(IPC, collected.ipc) : 0n) +
    writer.writeMetadata(
      TASKS,
      collected.states.map((state) => taskOf(state, collected)),
    )
  );
}

function taskOf(state: TaskState, collected: Collected): Task {
  if (state.frozen.zombie) return zombieTask(state);
  const { frozen, stat } = state;
  const { pid } = frozen;
  const core = collected.cores.find((candidate) => candidate.task === state);
  if (core === undefined) throw new Error(`no core of task ${pid}`);
  const threads = threadsOf(core.head.threads(), collected.scheduling);
  const seccomp = collected.seccomp.get(pid);
  const rlimits = collected.rlimits.get(pid);
  const index = slaveIndex(stat.ttyDevice);
  const terminal = index !== undefined && collected.ptys.has(index) ? index : undefined;
  const locks = collected.locks.get(pid);
  const { cwd, root, umask, oomScoreAdj, autogroupNice, cgroup, label, namespaces, uidMap, gidMap } = state;
  return {
    pids: threads[0]?.pids ?? [pid],
    ppid: frozen.ppid === 0 ? stat.ppid : frozen.ppid,
    pgid: stat.pgid,
    sid: stat.sid,
    comm: stat.comm,
    state: core.head.process.stop_signal !== 0 ? "stopped" : "running",
    threads,
    core: coreName(pid),
    coredumpFilter: core.head.mm.coredump_filter,
    descriptors: collected.tables.get(pid) ?? [],
    ...defined({
      sharesWith: core.sharesWith,
      terminal,
      cwd,
      root,
      umask,
      rlimits,
      oomScoreAdj,
      autogroupNice,
      cgroup,
      label,
      namespaces,
      uidMap,
      gidMap,
      locks,
      seccomp,
    }),
  };
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function inventoryOf(collected: Collected, options: DumpOptions, id: string): Omit<Inventory, "files" | "sha256" | "stats"> {
  return {
    magic: "crctl",
    version: IMAGE_VERSION,
    requires: collected.files.some((file) => file.kind === "tcp" && file.connection?.state === "kept") ? [TCP_KEEP] : [],
    id,
    crctlVersion: VERSION,
    createdUnixNs: collected.clocks.clocks.realtime,
    kernel: { release: os.release(), version: os.version(), machine: os.machine() },
    hostname: os.hostname(),
    ...collected.clocks,
    bootId: bootId(),
    rootPid: options.pid,
    shellJob: options.shellJob,
    xfeatures: collected.cores.reduce((bits, core) => bits | core.head.info.xfeatures_used, 0n),
  };
}
