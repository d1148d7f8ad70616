/** The objects of a plan in the making: slots, the operations that fill them, and what stands in the way. */

import type { Details, ErrorCode, Problem } from "../errors.js";
import type { Image } from "../image/read.js";
import type { DataRef, ExternalFile, FileIdentity, MqueueFile, OpenFile, Task } from "../image/schema.js";
import { MappedSlots } from "../kinds/memory.js";
import { native, type StatRecord } from "../native.js";
import { bootId } from "../proc/clocks.js";
import type { FileRules, RestoreContext } from "./context.js";
import { HugePages } from "./huge-pages.js";
import { FileChecks } from "./identity.js";
import type { RestoreOptions } from "./options.js";
import { LOW_FREE, OP, OWN_SLOTS, PLAN_FD, type Op, type Subject } from "./plan.js";

const F_GETFL = 3;

export class ObjectPlanner implements RestoreContext {
  readonly createOps: Op[] = [];
  readonly finishOps: Op[] = [];
  readonly armOps: Op[] = [];
  readonly lastOps: Op[] = [];
  readonly releaseOps: Op[] = [];
  /** by pid */
  readonly taskOps = new Map<number, Op[]>();
  readonly leaderOps = new Map<number, Op[]>();
  readonly groupOps = new Map<number, Op[]>();
  readonly problems: Problem[] = [];
  readonly notes: string[] = [];
  readonly hugePages = new HugePages();
  readonly mapped: MappedSlots;
  /** our descriptors that the executor gets, in the order of its numbers from PLAN_FD.INHERIT on */
  readonly handedOver: number[] = [];

  private readonly deferred: (() => void)[] = [];
  private passed: ReadonlySet<number> | undefined;
  private slots = 0;
  private readonly scratchSlots: number[] = [];
  private readonly places = new Map<number, number>();
  private readonly subjects = new Map<number, Subject>();
  private readonly checks: FileChecks;
  private readonly usedKeys = new Set<string>();

  constructor(
    private readonly image: Image,
    private readonly options: RestoreOptions,
  ) {
    this.mapped = new MappedSlots(image.memory, this);
    this.checks = new FileChecks(this, options.force);
    this.checks.prepare(identitiesOf(image));
    for (const task of image.tasks) {
      const pid = task.pids[0] ?? 0;
      for (const { fd, file } of task.descriptors) {
        if (this.subjects.has(file)) continue;
        const path = pathOf(image.files[file], image);
        this.subjects.set(file, { pid, comm: task.comm, fd, ...(path === undefined ? {} : { path }) });
      }
    }
  }

  get slotCount(): number {
    return this.slots;
  }

  slot(): number {
    return this.slots++;
  }

  create(op: Op): void {
    this.createOps.push(op);
  }

  scratch(slot: number): void {
    this.scratchSlots.push(slot);
  }

  /** All objects are there: what only their making needed goes. */
  closeScratch(): void {
    for (const slot of this.scratchSlots.splice(0)) this.create({ type: OP.CLOSE, slot });
  }

  finish(op: Op): void {
    this.finishOps.push(op);
  }

  arm(op: Op): void {
    this.armOps.push(op);
  }

  last(op: Op): void {
    this.lastOps.push(op);
  }

  release(op: Op): void {
    this.releaseOps.push(op);
  }

  inTask(pid: number, op: Op): void {
    addTo(this.taskOps, pid, op);
  }

  asLeader(pid: number, op: Op): void {
    addTo(this.leaderOps, pid, op);
  }

  withGroups(pid: number, op: Op): void {
    addTo(this.groupOps, pid, op);
  }

  whenPlaced(act: () => void): void {
    this.deferred.push(act);
  }

  /** Every description has been made. */
  allPlaced(): void {
    for (const act of this.deferred.splice(0)) act();
  }

  place(file: OpenFile, slot: number): void {
    this.places.set(file.id, slot);
  }

  /** Undefined: a problem has been told. */
  slotOf(file: number): number | undefined {
    return this.places.get(file);
  }

  get sameBoot(): boolean {
    return this.image.inventory.bootId === bootId();
  }

  get tasks(): readonly Task[] {
    return this.image.tasks;
  }

  file(id: number): OpenFile | undefined {
    return this.image.files[id];
  }

  holders({ id }: OpenFile): readonly number[] {
    return this.image.tasks.filter(({ descriptors }) => descriptors.some(({ file }) => file === id)).map(({ pids }) => pids[0] ?? 0);
  }

  isPassed({ id }: OpenFile): boolean {
    this.passed ??= new Set(this.image.files.flatMap((file) => (file.kind === "unix" ? file.messages.flatMap(({ files }) => files) : [])));
    return this.passed.has(id);
  }

  subject(file: OpenFile): Subject {
    return this.subjects.get(file.id) ?? {};
  }

  examine(identity: FileIdentity, about: Details, rules?: FileRules): StatRecord | undefined {
    return this.checks.examine(identity, about, rules);
  }

  ghost(number: number, identity: FileIdentity, data: DataRef, subject: Subject): number {
    return this.mapped.ghost(number, identity, data, subject);
  }

  memfd(memory: number): number {
    return this.mapped.memfd(memory);
  }

  inherited(file: ExternalFile): { descriptor: number; flags: number } | undefined {
    this.usedKeys.add(file.key);
    const given = this.options.inherit.get(file.key) ?? file.standard;
    if (given !== undefined) return { descriptor: this.handOver(given), flags: native().fcntlNumber(given, F_GETFL, 0) };
    this.refuse({
      ...this.subject(file),
      code: "E_EXTERNAL",
      object: file.what,
      why: "it leads out of the tree, and nothing was given in its place",
      hint: `give a descriptor of crctl's for it: --inherit-fd '${file.key}:FD'`,
    });
    return undefined;
  }

  /** Keys that nothing in the image has: misspelled, as a rule. */
  checkKeys(): void {
    const known = new Set(this.image.files.flatMap((file) => (file.kind === "external" ? [file.key] : [])));
    for (const key of this.options.inherit.keys()) {
      if (this.usedKeys.has(key)) continue;
      const list = known.size === 0 ? "it has none" : `it has ${[...known].join(", ")}`;
      this.refuse({ code: "E_USAGE", object: "--inherit-fd", why: `the image has no external object ${key}: ${list}` });
    }
  }

  refuse(problem: Details & { code: ErrorCode; why: string }): void {
    this.problems.push(problem);
  }

  needHugePages(pageBytes: bigint, pages: bigint): void {
    this.hugePages.add(pageBytes, pages);
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  /**
   * The number of slot 0: slots must not have the number of any restored descriptor, and what is above them costs
   * every fork, so the lowest gap that is wide enough.
   */
  slotBase(): number {
    const need = this.slots + OWN_SLOTS;
    const taken = [...new Set(this.image.tasks.flatMap((task) => task.descriptors.map(({ fd }) => fd)))].sort((a, b) => a - b);
    let base = PLAN_FD.INHERIT + this.handedOver.length + LOW_FREE;
    for (const fd of taken) {
      if (fd >= base + need) break;
      if (fd >= base) base = fd + 1;
    }
    return base;
  }

  private handOver(fd: number): number {
    if (fd <= 2) return fd;
    let index = this.handedOver.indexOf(fd);
    if (index < 0) index = this.handedOver.push(fd) - 1;
    return PLAN_FD.INHERIT + index;
  }
}

function addTo(lists: Map<number, Op[]>, pid: number, op: Op): void {
  const ops = lists.get(pid);
  if (ops === undefined) lists.set(pid, [op]);
  else ops.push(op);
}

function identitiesOf(image: Image): FileIdentity[] {
  return [
    ...image.files.flatMap((file) => ("identity" in file ? [file.identity] : [])),
    ...image.files.flatMap((file) => (file.kind === "inotify" ? file.watches.map(({ identity }) => identity) : [])),
    ...image.memory.flatMap((file) => (file.kind === "file" ? [file.identity] : [])),
    ...image.tasks.flatMap(({ cwd, root }) => [...(cwd === undefined ? [] : [cwd]), ...(root === undefined ? [] : [root])]),
  ];
}

/** What people call it. */
export function pathOf(file: OpenFile | undefined, image: Image): string | undefined {
  if (file === undefined) return undefined;
  if ("identity" in file) return file.identity.path;
  switch (file.kind) {
    case "pipe":
      return `pipe:[${file.pipe.ino}]`;
    case "memfd":
      return image.memory[file.memory]?.identity.path;
    case "mqueue":
      return mqueuePath(file, image);
    case "pty":
    case "external":
      return file.path;
    case "unix":
    case "tcp":
    case "udp":
    case "netlink":
      return `socket:[${file.ino}]`;
    case "process":
      return `/proc/${file.pid}/${file.name}`;
    case "eventfd":
    case "timerfd":
    case "signalfd":
    case "epoll":
    case "pidfd":
    case "inotify":
      return file.kind;
  }
}

function mqueuePath({ ino }: MqueueFile, { files }: Image): string | undefined {
  const name = files
    .map((file) => (file.kind === "mqueue" && file.ino === ino ? file.queue?.name : undefined))
    .find((some) => some !== undefined);
  return name === undefined ? undefined : `/${name}`;
}
