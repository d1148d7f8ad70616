/**
 * Who forks whom. A task is born into the session and group of the process that forks it, and only a session's own
 * members can bear a task into it, so the order of fork, setsid and setpgid decides whether a tree comes out as it was.
 *
 * How a task gets into its session:
 * - its parent forks it after, or before, the parent's own setsid;
 * - if its parent was never in that session: a member of it that is the parent's child forks it as a sibling
 *   (CLONE_PARENT), as when a daemon's parent ended and init or a subreaper took the daemon over;
 * - or a member deeper down forks it through a process that ends at once, so that the subreaper gets it;
 * - a leader that is dead is played by a helper process with its pid for as long as it takes.
 */

import type { Problem } from "../errors.js";
import { NO_PROC, OP, PROC_KIND, STAGE, STAGES, type Op, type PlannedProcess } from "./plan.js";

const SIGCHLD = 17;

/** The caller's own session and group, whatever their numbers are. */
const CALLER = 0;

export interface TreeTask {
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  comm: string;
  zombie?: { status: number; signal: number };
  subreaper: boolean;
}

export interface TreeOptions {
  /** the root's session is not in the tree and its tasks go into the caller's */
  adoptSession: boolean;
  /** the caller's process group */
  callerGroup: number;
}

export interface TreePlan {
  /** one for each task, in their order, then helpers. Stage FINAL holds only what comes first there */
  processes: PlannedProcess[];
  fork: Op[];
  settle: Op[];
  barriers: Set<number>;
  problems: Problem[];
  rootInCallerGroup: boolean;
}

interface Node {
  index: number;
  task: TreeTask;
  parent: Node | undefined;
  children: Node[];
  sid: number;
  pgid: number;
  /** the session to be born into; undefined: any */
  born: number | undefined;
  helper: boolean;
  /** forks in order: of the own process, before setsid */
  before: Node[];
  after: Node[];
  siblings: Node[];
  orphans: Node[];
  adopts: boolean;
  /** the group when forked; undefined until known */
  birthGroup: number | undefined;
}

export function planTree(tasks: readonly TreeTask[], options: TreeOptions): TreePlan {
  return new TreePlanner(tasks, options).plan();
}

class TreePlanner {
  private readonly nodes: Node[] = [];
  private readonly byPid = new Map<number, Node>();
  private readonly problems: Problem[] = [];
  /** children of the executor itself */
  private readonly top: Node[] = [];
  private readonly movedLeaders = new Set<Node>();
  private readonly joins = new Map<Node, Op>();
  private readonly moves = new Map<Node, Op>();

  constructor(
    tasks: readonly TreeTask[],
    private readonly options: TreeOptions,
  ) {
    const root = tasks[0];
    if (root === undefined) throw new RangeError("a tree without tasks");
    const pids = new Set(tasks.map((task) => task.pid));
    const outside = options.adoptSession && !pids.has(root.sid) ? root.sid : undefined;
    for (const task of tasks) {
      const sid = task.sid === outside ? CALLER : task.sid;
      // a leader may be an ancestor in the caller's job: its members join ours
      const pgid = sid === CALLER && task.pgid === root.pgid && !pids.has(task.pgid) ? CALLER : task.pgid;
      const node = this.addNode(task, this.byPid.get(task.ppid), sid, pgid, false);
      this.byPid.set(task.pid, node);
    }
  }

  plan(): TreePlan {
    this.checkSessions();
    if (this.problems.length === 0) {
      this.demandBirths();
      this.assignForks();
    }
    if (this.problems.length === 0) this.planGroups();
    return this.emit();
  }

  private addNode(task: TreeTask, parent: Node | undefined, sid: number, pgid: number, helper: boolean): Node {
    const node: Node = {
      index: this.nodes.length,
      task,
      parent,
      children: [],
      sid,
      pgid,
      born: sid === task.pid ? undefined : sid,
      helper,
      before: [],
      after: [],
      siblings: [],
      orphans: [],
      adopts: false,
      birthGroup: undefined,
    };
    this.nodes.push(node);
    parent?.children.push(node);
    return node;
  }

  /** A stand-in for a dead leader with the pid `pid`. */
  private addHelper(pid: number, parent: Node | undefined, sid: number): Node {
    const task = { pid, ppid: parent?.task.pid ?? 0, pgid: pid, sid, comm: "crctl-helper", subreaper: false };
    const helper = this.addNode(task, parent, sid, pid, true);
    (parent?.after ?? this.top).push(helper);
    return helper;
  }

  private refuse(node: Node, why: string, hint?: string): void {
    const { pid, comm } = node.task;
    this.problems.push({ code: "E_SESSION", object: "session", pid, comm, why, ...(hint === undefined ? {} : { hint }) });
  }

  /** What the kernel guarantees, and a damaged image may not. */
  private checkSessions(): void {
    const sessionOfGroup = new Map<number, number>();
    for (const node of this.nodes) {
      const { task, sid, pgid } = node;
      const leader = this.byPid.get(sid);
      if (leader !== undefined && leader.sid !== sid) this.refuse(node, `its session ${sid} is led by a task of another session`);
      if (sid === CALLER && !this.options.adoptSession) this.refuse(node, "its session is outside the pid namespace");
      if (sid === task.pid && pgid !== task.pid) this.refuse(node, "it leads a session but not its own group");
      const known = sessionOfGroup.get(pgid);
      if (known !== undefined && known !== sid) this.refuse(node, `its group ${pgid} extends over two sessions`);
      sessionOfGroup.set(pgid, sid);
    }
  }

  /**
   * A session leader with children in another session forked them before its setsid, and so must itself be born there.
   * Only a subreaper may have taken them in later: it is believed to have forked those whose session is that of one of
   * its own ancestors. Children first: a demand climbs.
   */
  private demandBirths(): void {
    for (const node of this.nodes.toReversed()) {
      if (node.sid !== node.task.pid) continue;
      const demands = node.children.map((child) => child.born).filter((session) => session !== undefined && session !== node.sid);
      node.born = demands.find((session) => !node.task.subreaper || this.isAbove(node, session));
    }
  }

  /** Whether an ancestor is in that session. The executor is the last of them. */
  private isAbove(node: Node, session: number | undefined): boolean {
    for (let up = node.parent; up !== undefined; up = up.parent) if (up.sid === session) return true;
    return session === CALLER;
  }

  private assignForks(): void {
    const foreign: Node[] = [];
    for (const node of this.nodes.slice()) {
      const { parent, born } = node;
      const leads = parent?.sid === parent?.task.pid;
      if (born === undefined || born === (parent?.sid ?? CALLER)) (parent?.after ?? this.top).push(node);
      else if (parent !== undefined && leads && born === parent.born) parent.before.push(node);
      else foreign.push(node);
    }
    this.assignForeign(foreign);
  }

  /** Tasks that their parent cannot fork. One that has got a way can be the way of others, so until nothing changes. */
  private assignForeign(foreign: readonly Node[]): void {
    const waiting = new Set(foreign);
    const tryAll = (): boolean => {
      const count = waiting.size;
      for (const node of waiting) if (this.bearElsewhere(node, waiting)) waiting.delete(node);
      return waiting.size < count;
    };
    for (;;) {
      while (tryAll());
      // Nobody of the session is left: its dead leader has to be played. Deep down, so that subreapers above can profit.
      const played = new Set(this.nodes.filter((node) => node.helper).map((node) => node.sid));
      const lost = [...waiting].filter(({ born }) => born !== undefined && born !== CALLER && !this.byPid.has(born) && !played.has(born));
      const next = lost.sort((a, b) => depth(b) - depth(a))[0];
      if (next?.born === undefined) break;
      this.addHelper(next.born, next.parent, next.born);
    }
    for (const node of waiting) {
      this.refuse(
        node,
        `it would have to be born into ${node.born === CALLER ? "the caller's session" : `session ${node.born}`}, and nothing ` +
          `below its parent ${node.task.ppid} can do that: such a layout cannot be rebuilt`,
      );
    }
  }

  private bearElsewhere(node: Node, waiting: ReadonlySet<Node>): boolean {
    const members = this.nodes.filter((member) => member.sid === node.born && !waiting.has(member) && member !== node);
    const sibling = members.find((member) => member.parent === node.parent);
    if (sibling !== undefined) {
      sibling.siblings.push(node);
      return true;
    }
    const below = members.find((member) => this.reaperOf(member) === node.parent && !isBelow(member, waiting));
    if (below === undefined || (node.parent !== undefined && !node.parent.task.subreaper)) return false;
    below.orphans.push(node);
    if (node.parent !== undefined) node.parent.adopts = true;
    return true;
  }

  /** Who gets a grandchild of `node` when the child between them ends; undefined: the executor. */
  private reaperOf(node: Node): Node | undefined {
    let up: Node | undefined = node;
    while (up !== undefined && !up.task.subreaper) up = up.parent;
    return up;
  }

  private planGroups(): void {
    this.findMovedLeaders();
    for (const node of this.top) this.bear(node, CALLER);
    const ready = new Set(this.nodes.filter((node) => node.helper).map((node) => node.task.pid));
    for (const node of this.nodes.slice()) {
      const { task, pgid } = node;
      const moves = this.movedLeaders.has(node);
      if (pgid === task.pid || (pgid === node.birthGroup && !moves)) continue;
      const group = pgid === CALLER ? this.options.callerGroup : pgid;
      const op = {
        type: OP.SETPGID,
        arg: group,
        a: pgid === CALLER ? 1n : 0n,
        subject: { pid: task.pid, comm: task.comm, object: "process group" },
      };
      if (moves) this.moves.set(node, op);
      else this.joins.set(node, op);
      if (pgid === CALLER || this.byPid.has(pgid) || ready.has(pgid)) continue;
      ready.add(pgid);
      this.addHelper(pgid, node, node.sid);
    }
  }

  /** A leader that is in another group by now makes its group for the others, and leaves it when they are in. */
  private findMovedLeaders(): void {
    for (const node of this.nodes) {
      const leader = this.byPid.get(node.pgid);
      if (leader !== undefined && leader.pgid !== node.pgid) this.movedLeaders.add(leader);
    }
  }

  /** The group at birth of a process and of everything that it forks. */
  private bear(node: Node, group: number): void {
    // not recursive: a chain of processes may be longer than the stack
    const stack: [Node, number][] = [[node, group]];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const [current, born] = next;
      current.birthGroup = born;
      const own = this.makesGroup(current) ? current.task.pid : born;
      for (const child of current.before) stack.push([child, born]);
      for (const child of [...current.after, ...current.siblings, ...current.orphans]) stack.push([child, own]);
    }
  }

  private makesGroup(node: Node): boolean {
    return node.pgid === node.task.pid || this.movedLeaders.has(node);
  }

  private emit(): TreePlan {
    const forks = (type: Op["type"], nodes: readonly Node[]): Op[] =>
      nodes.map((node) => ({ type, arg: node.index, subject: { pid: node.task.pid, comm: node.task.comm } }));
    const processes = this.nodes.map((node): PlannedProcess => {
      const { task } = node;
      const stages: Op[][] = Array.from({ length: STAGES }, () => []);
      const leads = node.sid === task.pid;
      const subject = { pid: task.pid, comm: task.comm };
      stages[STAGE.FORK] = [
        ...(node.adopts ? [{ type: OP.SUBREAPER, subject }] : []),
        ...forks(OP.FORK, node.before),
        ...(leads ? [{ type: OP.SETSID, subject: { ...subject, object: "session" } }] : []),
        ...(!leads && this.makesGroup(node) ? [{ type: OP.SETPGID, arg: 0, subject: { ...subject, object: "process group" } }] : []),
        ...forks(OP.FORK, node.after),
        ...forks(OP.FORK_SIBLING, node.siblings),
        ...forks(OP.FORK_ORPHAN, node.orphans),
      ];
      const join = this.joins.get(node);
      const move = this.moves.get(node);
      if (join !== undefined) stages[STAGE.GROUP] = [join];
      if (move !== undefined) stages[STAGE.MOVE] = [move];
      stages[STAGE.FINAL] = settleOps(node.children);
      return {
        pid: task.pid,
        kind: node.helper ? PROC_KIND.HELPER : task.zombie !== undefined ? PROC_KIND.ZOMBIE : PROC_KIND.LIVE,
        parent: node.parent?.index ?? NO_PROC,
        exitSignal: task.zombie?.signal ?? SIGCHLD,
        comm: task.comm.slice(0, 15),
        stages,
      };
    });
    return {
      processes,
      fork: forks(OP.FORK, this.top),
      settle: settleOps(this.nodes.filter((node) => node.parent === undefined)),
      barriers: this.barriers(),
      problems: this.problems,
      rootInCallerGroup: this.nodes[0]?.pgid === CALLER,
    };
  }

  private barriers(): Set<number> {
    const joins = this.joins.size > 0;
    const moves = this.moves.size > 0;
    const leaving = this.nodes.some((node) => node.helper || node.task.zombie !== undefined);
    const foreign = this.nodes.some((node) => node.siblings.length > 0 || node.orphans.length > 0);
    const barriers = new Set<number>();
    if (joins || moves || foreign) barriers.add(STAGE.FORK);
    // those who end must not take a group with them that others are still to join
    if (moves || (joins && leaving)) barriers.add(STAGE.GROUP);
    if (moves && leaving) barriers.add(STAGE.MOVE);
    return barriers;
  }
}

/** Helpers are gone, and zombies are zombies, before their parent's image runs. */
function settleOps(children: readonly Node[]): Op[] {
  const subject = (node: Node): NonNullable<Op["subject"]> => ({ pid: node.task.pid, comm: node.task.comm });
  return [
    ...children.filter((node) => node.helper).map((node) => ({ type: OP.REAP, arg: node.index, subject: subject(node) })),
    ...children
      .filter((node) => node.task.zombie !== undefined)
      .map((node) => ({ type: OP.AWAIT_ZOMBIE, arg: node.index, subject: subject(node) })),
  ];
}

function isBelow(node: Node, ancestors: ReadonlySet<Node>): boolean {
  let up = node.parent;
  while (up !== undefined && !ancestors.has(up)) up = up.parent;
  return up !== undefined;
}

function depth(node: Node): number {
  let count = 0;
  for (let up = node.parent; up !== undefined; up = up.parent) count++;
  return count;
}
