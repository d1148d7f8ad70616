/** From an image to a plan, or to everything that stands in the way of one. Nothing is changed by that. */

import { CrctlError, type ErrorCode, type Problem } from "../errors.js";
import type { CoreHead } from "../image/elfcore.js";
import { readCoreHead, type Image } from "../image/read.js";
import type { Descriptor, Task } from "../image/schema.js";
import { notificationsOf } from "../kinds/mqueue.js";
import { restoreDescriptions } from "../kinds/restore.js";
import type { MappedUse } from "../kinds/memory.js";
import { restoreIpc } from "../kinds/sysv/tree.js";
import { native } from "../native.js";
import { mayCheckpoint } from "../proc/capabilities.js";
import { AttributePlanner } from "./attributes.js";
import { planClocks } from "./clocks.js";
import { checkPolicies } from "./policies.js";
import { VdsoCheck, checkCpu, checkModule, checkRights } from "./machine.js";
import { ManifestDraft, MappedFileIndex, type PeerCredentials } from "./manifest.js";
import { checkNewPids } from "./new-pids.js";
import type { RestoreOptions } from "./options.js";
import { checkPids, type PidUser } from "./pids.js";
import { AT, OP, PROC_KIND, STAGE, type Op, type Plan, type Subject } from "./plan.js";
import { ObjectPlanner } from "./planner.js";
import { checkOwnRights } from "./rights.js";
import { planTree, type TreePlan, type TreeTask } from "./tree.js";

export interface BuiltPlan {
  plan: Plan;
  image: Image;
  /** our descriptors that the executor gets besides 0, 1 and 2 */
  handedOver: number[];
  notes: string[];
  /** page contents of each live task, for the progress bar */
  pageBytes: Map<number, bigint>;
  dataBytes: bigint;
  /** the root is in our own process group: what a terminal sends reaches both */
  sharesGroup: boolean;
}

/** The parts of a plan that can be built even if there are problems. */
interface Draft {
  task: Task;
  manifest: ManifestDraft;
}

/** Whether pages are elsewhere is said in two files. */
function readCore(image: Image, task: Task, name: string): CoreHead {
  const core = readCoreHead(image, name);
  if ((core.sharedBytes() !== undefined) === (task.sharesWith !== undefined)) return core;
  throw new CrctlError("E_IMAGE_DAMAGED", `${core.where}: it is not clear whether its task shares memory with another one`);
}

export function buildPlan(image: Image, options: RestoreOptions, progress: boolean): BuiltPlan {
  return new PlanBuilder(image, options).build(progress);
}

const pidOf = (task: Task): number => task.pids[0] ?? 0;

class PlanBuilder {
  private readonly objects: ObjectPlanner;
  private readonly problems: Problem[];
  private readonly attributes: AttributePlanner;
  /** pids of tasks that others share memory with */
  private readonly sources: ReadonlySet<number>;

  constructor(
    private readonly image: Image,
    private readonly options: RestoreOptions,
  ) {
    this.objects = new ObjectPlanner(image, options);
    this.problems = this.objects.problems;
    this.attributes = new AttributePlanner((text) => this.objects.note(text));
    this.sources = new Set(image.tasks.map(({ sharesWith }) => sharesWith).filter((pid) => pid !== undefined));
  }

  build(progress: boolean): BuiltPlan {
    const { image, objects, problems } = this;
    checkModule(problems);
    checkRights(this.options.newPids, problems);
    checkCpu(image.inventory.xfeatures, problems);
    this.checkNamespaces();
    this.checkTerminalUse();

    const cores = new Map<Task, CoreHead>();
    for (const task of image.tasks) if (task.core !== undefined) cores.set(task, readCore(image, task, task.core));
    this.checkVdso(cores);
    objects.hugePages.addCores(cores);
    planClocks(image.inventory, this.options.force, objects);
    if (this.options.newPids) checkNewPids(image, objects);
    checkOwnRights(cores, objects);
    checkPolicies([...cores.values()], objects);
    const tree = this.planTree(cores);
    const drafts = this.draft(cores);
    this.planMappings(drafts);
    restoreDescriptions(image.files, objects);
    objects.allPlaced();
    restoreIpc(image.ipc, objects);
    objects.checkKeys();
    const directories = this.checkDirectories();
    objects.hugePages.check(problems);
    const [gateSlot, reportSlot, coreSlot] = [objects.slot(), objects.slot(), objects.slot()];
    if (problems.length > 0) throw refusal(problems, objects.notes);

    objects.closeScratch();
    const slotBase = objects.slotBase();
    this.enterRoot(directories);
    const finals = new Map(drafts.map((draft) => [draft.task, draft]));
    image.tasks.forEach((task, i) => {
      const draft = finals.get(task);
      const ops =
        draft === undefined
          ? [...(this.objects.taskOps.get(pidOf(task)) ?? []), { type: OP.DIE, arg: task.exitStatus ?? 0, subject: subjectOf(task) }]
          : this.finalOps(draft, directories, slotBase, { gateSlot, reportSlot, coreSlot });
      tree.processes[i]?.stages[STAGE.FINAL]?.push(...ops);
    });
    addSessionOps(tree, objects);
    return {
      image,
      handedOver: objects.handedOver,
      notes: objects.notes,
      pageBytes: new Map(drafts.map(({ task, manifest }) => [pidOf(task), manifest.pageBytes])),
      sharesGroup: tree.rootInCallerGroup,
      dataBytes: [...objects.createOps, ...objects.lastOps].reduce((sum, op) => (isFill(op) ? sum + (op.a ?? 0n) : sum), 0n),
      plan: {
        detach: this.options.detach,
        progress,
        newPids: this.options.newPids,
        barriers: tree.barriers,
        slotBase,
        slotCount: objects.slotCount,
        inherited: objects.handedOver.length,
        root: 0,
        gateSlot,
        reportSlot,
        processes: tree.processes,
        create: objects.createOps,
        fork: tree.fork,
        settle: tree.settle,
        finish: [...objects.finishOps, ...objects.armOps, ...this.finishOps(), ...objects.lastOps, ...objects.releaseOps],
        pids: this.options.newPids ? [] : [...this.wantedPids(tree).keys()],
      },
    };
  }

  /** The tree lived in the namespaces of the dumping crctl, and can only live in ours. */
  private checkNamespaces(): void {
    for (const task of this.image.tasks) {
      if (task.pids.length === 1 && task.threads.every((thread) => thread.pids.length === 1)) continue;
      this.problems.push({
        ...subjectOf(task),
        code: "E_UNSUPPORTED",
        object: "pid namespace",
        why: "it was in a pid namespace of its own",
      });
    }
  }

  private checkTerminalUse(): void {
    if (!this.image.inventory.shellJob || this.options.shellJob) return;
    this.problems.push({
      code: "E_SESSION",
      object: "session",
      why: "the tree was a shell's job: its session, group or terminal lay outside of it",
      hint: "use --shell-job to let it join yours",
    });
  }

  private checkVdso(cores: ReadonlyMap<Task, CoreHead>): void {
    const check = new VdsoCheck();
    for (const [task, core] of cores) {
      if (check.matches(core)) continue;
      const { release } = core.info;
      this.problems.push({
        ...subjectOf(task),
        code: "E_KERNEL",
        object: "vdso",
        why: `its vdso, of kernel ${release}, is not that of the running kernel`,
        hint: "restore under the kernel on which the tree was dumped",
      });
      return; // the others will not differ
    }
  }

  private planTree(cores: ReadonlyMap<Task, CoreHead>): TreePlan {
    const tasks = this.image.tasks.map((task): TreeTask => {
      const { ppid, pgid, sid, comm } = task;
      const core = cores.get(task);
      const zombie = task.state === "zombie" ? { status: task.exitStatus ?? 0, signal: task.exitSignal ?? 17 } : undefined;
      if (zombie !== undefined && (zombie.status & 0x80) !== 0) {
        this.objects.note(`zombie ${pidOf(task)} (${comm}): that it had dumped core will not be told to its parent`);
      }
      return {
        pid: pidOf(task),
        ppid,
        pgid,
        sid,
        comm,
        subreaper: core?.process.child_subreaper === 1,
        ...(zombie === undefined ? {} : { zombie }),
      };
    });
    // without --shell-job that has been refused, and what follows from it is no news
    const adoptSession = this.options.shellJob || this.image.inventory.shellJob;
    const tree = planTree(tasks, { adoptSession, callerGroup: native().processGroup() });
    this.problems.push(...tree.problems);
    if (!this.options.newPids) checkPids(this.wantedPids(tree), this.problems);
    return tree;
  }

  private wantedPids(tree: TreePlan): Map<number, PidUser> {
    const wanted = new Map<number, PidUser>();
    for (const process of tree.processes) {
      const helper = process.kind === PROC_KIND.HELPER;
      wanted.set(process.pid, { pid: process.pid, comm: helper ? "" : process.comm, what: helper ? "leader" : "task" });
    }
    for (const task of this.image.tasks) {
      for (const thread of task.threads.slice(1)) {
        wanted.set(thread.pids[0] ?? 0, { pid: pidOf(task), comm: thread.comm, what: "thread" });
      }
    }
    return wanted;
  }

  private draft(cores: ReadonlyMap<Task, CoreHead>): Draft[] {
    const index = new MappedFileIndex(this.image.memory);
    return [...cores].map(([task, core]) => ({ task, manifest: new ManifestDraft(core, task, index, mayCheckpoint()) }));
  }

  private planMappings(drafts: readonly Draft[]): void {
    const uses = new Map<number, MappedUse>();
    for (const { task, manifest } of drafts) {
      for (const use of manifest.uses) {
        const file = this.image.memory[use.memory];
        if (file === undefined) continue;
        let sum = uses.get(use.memory);
        if (sum === undefined) {
          const subject = { ...subjectOf(task), object: "mapped file", path: file.identity.path };
          uses.set(use.memory, (sum = { writable: false, readable: false, private: false, end: 0n, reserved: [], mappings: 0, subject }));
        }
        sum.mappings++;
        if (use.writable) sum.writable = true;
        else sum.readable = true;
        if (use.private) sum.private = true;
        if (use.reserves) sum.reserved.push({ start: use.start, end: use.end });
        if (use.end > sum.end) sum.end = use.end;
      }
    }
    for (const [memory, use] of uses) {
      const file = this.image.memory[memory];
      if (file !== undefined) this.objects.mapped.add(file, use);
    }
  }

  /** Working and root directories, by path, as they are now. */
  private checkDirectories(): Map<string, Op> {
    const ops = new Map<string, Op>();
    for (const task of this.image.tasks) {
      for (const [directory, object] of [
        [task.cwd, "working directory"],
        [task.root, "root directory"],
      ] as const) {
        if (directory === undefined || ops.has(directory.path)) continue;
        const subject = { ...subjectOf(task), object, path: directory.path };
        const stat = this.objects.examine(directory, subject, { anyContents: true });
        if (stat !== undefined) ops.set(directory.path, { type: OP.CHDIR, data: directory.path, a: stat.ino, b: stat.dev, subject });
      }
    }
    return ops;
  }

  /** What most tasks have in common with the root is set before it is forked. */
  private enterRoot(directories: ReadonlyMap<string, Op>): void {
    const [root] = this.image.tasks;
    if (root === undefined) return;
    const cwd = root.cwd === undefined ? undefined : directories.get(root.cwd.path);
    if (cwd !== undefined) this.objects.create(cwd);
    if (root.umask !== undefined) this.objects.create({ type: OP.UMASK, a: BigInt(root.umask), subject: subjectOf(root) });
  }

  private finalOps(
    { task, manifest }: Draft,
    directories: ReadonlyMap<string, Op>,
    base: number,
    slots: { gateSlot: number; reportSlot: number; coreSlot: number },
  ): Op[] {
    const [root] = this.image.tasks;
    const subject = subjectOf(task);
    const ops: Op[] = [];
    if (task.umask !== undefined && task.umask !== root?.umask) ops.push({ type: OP.UMASK, a: BigInt(task.umask), subject });
    if (task.cwd !== undefined && task.cwd.path !== root?.cwd?.path) {
      const cwd = directories.get(task.cwd.path);
      if (cwd !== undefined) ops.push({ ...cwd, subject: { ...cwd.subject, ...subject } });
    }
    ops.push({ type: OP.OPEN, slot: slots.coreSlot, arg: AT.IMAGE, data: task.core ?? "", subject: { ...subject, path: task.core ?? "" } });
    if (task.root !== undefined && task.root.path !== "/") {
      ops.push({ type: OP.CHROOT, data: task.root.path, subject: { ...subject, object: "root directory", path: task.root.path } });
    }
    ops.push(...(this.objects.taskOps.get(pidOf(task)) ?? []));
    ops.push(...this.dups(task.descriptors, subject));
    const data = manifest.build({
      mapped: ({ memory, writable }) => base + this.mappedSlot(memory, writable),
      core: base + slots.coreSlot,
      gate: base + slots.gateSlot,
      report: base + slots.reportSlot,
      peers: this.peersOf(task),
      notifications: notificationsOf(pidOf(task), task.descriptors, this.image.files),
      ...this.sharing(task),
    });
    ops.push({ type: OP.EXEC, data, subject });
    return ops;
  }

  private sharing({ pids: [pid], sharesWith }: Task): { id?: number; source?: number } {
    const id = (of: number): number => 1 + this.image.tasks.findIndex((task) => pidOf(task) === of);
    return {
      ...(pid !== undefined && this.sources.has(pid) ? { id: id(pid) } : {}),
      ...(sharesWith === undefined ? {} : { source: id(sharesWith) }),
    };
  }

  /** Who the other ends of its sockets were. Each task that holds one says it: none is to run before it has been said. */
  private peersOf(task: Task): PeerCredentials[] {
    const told = new Set<number>();
    return task.descriptors.flatMap(({ fd, file }): PeerCredentials[] => {
      const open = this.image.files[file];
      if (open?.kind !== "unix" || open.peerCredentials === undefined || told.has(file)) return [];
      told.add(file);
      const { pid, ...rest } = open.peerCredentials;
      // the id of another task, or one of before, would be anybody's now
      const isThere = !this.options.newPids && this.image.tasks.some((other) => pidOf(other) === pid);
      return [{ fd, pid: isThere ? pid : 0, ...rest }];
    });
  }

  private mappedSlot(memory: number, writable: boolean): number {
    const slot = this.objects.mapped.slot(memory, writable);
    if (slot === undefined) throw new RangeError(`mapped file ${memory} has no slot`);
    return slot;
  }

  private dups(descriptors: readonly Descriptor[], subject: Subject): Op[] {
    return descriptors.map(({ fd, file }) => {
      const slot = this.objects.slotOf(file);
      if (slot === undefined) throw new RangeError(`open file ${file} has no slot`);
      return { type: OP.DUP, slot, arg: fd, subject: { ...subject, fd } };
    });
  }

  private finishOps(): Op[] {
    const ops = this.image.tasks.filter((task) => task.state !== "zombie").flatMap((task) => this.attributes.plan(task));
    const [root] = this.image.tasks;
    // a shell's foreground job gets the terminal back, unless it shares our group and so has it already
    if (root !== undefined && this.options.shellJob && !this.options.detach && root.pgid === pidOf(root)) {
      ops.push({ type: OP.FOREGROUND, arg: root.pgid, subject: { ...subjectOf(root), object: "terminal" } });
    }
    return ops;
  }
}

function isFill({ type }: Op): boolean {
  return type === OP.FILL || type === OP.SEGMENT_FILL;
}

/** What leaders do with their sessions' terminals, where tree.ts has put the making of sessions and groups. */
function addSessionOps(tree: TreePlan, { leaderOps, groupOps }: ObjectPlanner): void {
  for (const { pid, stages } of tree.processes) {
    const fork = stages[STAGE.FORK] ?? [];
    fork.splice(fork.findIndex(({ type }) => type === OP.SETSID) + 1, 0, ...(leaderOps.get(pid) ?? []));
    stages[STAGE.GROUP]?.push(...(groupOps.get(pid) ?? []));
  }
  if (groupOps.size > 0) tree.barriers.add(STAGE.FORK);
}

function subjectOf(task: Task): { pid: number; comm: string } {
  return { pid: pidOf(task), comm: task.comm };
}

/** One problem is the error; several are listed under one that says how many. */
function refusal(problems: readonly Problem[], notes: readonly string[]): CrctlError {
  const codes = new Set(problems.map((problem) => problem.code));
  const [first] = codes;
  const code: ErrorCode = codes.size === 1 && first !== undefined ? first : worst(codes);
  return new CrctlError(
    code,
    `cannot restore: ${problems.length === 1 ? "something stands" : `${problems.length} things stand`} in the way`,
    {
      problems,
      ...(notes.length > 0 ? { hint: `noted: ${notes.join("; ")}` } : {}),
    },
  );
}

/** Of several kinds the one that makes the others moot. */
function worst(codes: ReadonlySet<ErrorCode>): ErrorCode {
  const order: ErrorCode[] = [
    "E_USAGE",
    "E_PERMISSION",
    "E_NO_MODULE",
    "E_KERNEL",
    "E_CPU",
    "E_IMAGE_DAMAGED",
    "E_UNSUPPORTED",
    "E_SESSION",
    "E_EXTERNAL",
  ];
  return order.find((code) => codes.has(code)) ?? "E_CONFLICT";
}
