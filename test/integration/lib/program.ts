/** A test program under way: started, dumped and restored, told to verify. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, renameSync, writeFileSync, chmodSync } from "node:fs";
import path from "node:path";
import { describeOutcome, must, type Outcome } from "./crctl.js";
import { remember } from "./leftovers.js";
import { newDirectory } from "./directories.js";
import { PROGRAMS } from "./paths.js";
import { differences, hasEnded, pidsOfTree, runningIn, stateOf, viewTree, type TreeView } from "./procfs.js";
import { until } from "./wait.js";

/** Small, so that what a test fails on is its own. */
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", HOME: "/root" };

export interface StartOptions {
  directory?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** run as this user and group */
  uid?: number;
  /** where the program is, if this user cannot reach its usual place */
  programs?: string;
}

/** A tree of processes that a test has started, whatever the program. */
export class Tree {
  #pid: number;
  readonly directory: string;
  /** what was done to it, for whoever reads the failure */
  readonly journal: string[] = [];
  #images = 0;
  #awayAtLeastNs = 0n;
  #awayAtMostNs = 0n;

  protected constructor(pid: number, directory: string) {
    this.#pid = pid;
    this.directory = directory;
    remember(pid);
  }

  get pid(): number {
    return this.#pid;
  }

  /** It has come back under another id. */
  became(pid: number): void {
    this.#pid = pid;
    remember(pid);
  }

  /** As a session leader with nothing to do with the terminal, input from nowhere, output in a file. */
  protected static async spawn(file: string, args: readonly string[], directory: string, options: StartOptions): Promise<number> {
    const log = openSync(path.join(directory, "log"), "a", 0o666);
    if (options.uid !== undefined) chmodSync(path.join(directory, "log"), 0o666);
    const child = spawn(file, args, {
      detached: true,
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
      stdio: ["ignore", log, log],
      cwd: options.cwd ?? directory,
      env: options.env ?? ENVIRONMENT,
    });
    closeSync(log);
    await once(child, "spawn");
    if (child.pid === undefined) throw new Error(`${file} has no process id`);
    return child.pid;
  }

  static async command(file: string, args: readonly string[], options: StartOptions = {}): Promise<Tree> {
    const directory = options.directory ?? newDirectory();
    return new Tree(await Tree.spawn(file, args, directory, options), directory);
  }

  path(name: string): string {
    return path.join(this.directory, name);
  }

  log(): string {
    return readFileSync(this.path("log"), "utf8");
  }

  newImage(): string {
    return this.path(`image-${++this.#images}`);
  }

  get downtime(): { atLeastNs: bigint; atMostNs: bigint } {
    return { atLeastNs: this.#awayAtLeastNs, atMostNs: this.#awayAtMostNs };
  }

  /** It was on disk for so long, seen from outside. */
  wasAway(atLeastNs: bigint, atMostNs: bigint): void {
    this.#awayAtLeastNs += atLeastNs;
    this.#awayAtMostNs += atMostNs;
  }

  protected forgetDowntime(): void {
    this.#awayAtLeastNs = this.#awayAtMostNs = 0n;
  }

  async dump(image: string, args: readonly string[] = []): Promise<Outcome> {
    return this.#note(await must(["dump", "-t", String(this.pid), "-D", image, ...args]));
  }

  async restore(image: string, args: readonly string[] = []): Promise<Outcome> {
    const outcome = this.#note(await must(["restore", "-D", image, "-d", ...args]));
    remember(this.pid);
    return outcome;
  }

  #note(outcome: Outcome): Outcome {
    this.journal.push(describeOutcome(outcome));
    return outcome;
  }

  async gone(pids: readonly number[]): Promise<void> {
    await until(`${pids.join(" ")} to be gone`, () => pids.every((pid) => stateOf(pid) === undefined));
  }

  /** Dumps it, which must end it, restores it, and compares: as /proc shows it, nothing may have changed. */
  async cycle(args: { dump?: readonly string[]; restore?: readonly string[] } = {}): Promise<void> {
    const image = this.newImage();
    const before = viewTree(this.pid);
    const pids = pidsOfTree(this.pid);
    const begin = process.hrtime.bigint();
    await this.dump(image, args.dump);
    const away = process.hrtime.bigint();
    await this.gone(pids);
    const restoring = process.hrtime.bigint();
    await this.restore(image, args.restore);
    this.wasAway(restoring - away, process.hrtime.bigint() - begin);
    await this.mustLookLike(before);
  }

  /**
   * Until two looks in a row show the same, the second of which it returns, and nobody works: what it was told to wait for,
   * it waits for.
   */
  async settled(): Promise<TreeView> {
    let last: TreeView | undefined;
    let changes: string[] = [];
    return until(
      () => `nothing to change any more, but:\n${changes.slice(0, 40).join("\n")}`,
      () => {
        let view: TreeView | undefined;
        try {
          view = viewTree(this.pid);
          const running = runningIn(this.pid);
          changes = [...differences(last, view), ...running.map((thread) => `${thread} runs`)];
        } catch (error) {
          changes = [String(error)]; // a task that ended meanwhile
        }
        last = view;
        return changes.length === 0 ? view : undefined;
      },
    );
  }

  /** A restored task may still be on its way back into the call it was in, so it may take a moment. */
  async mustLookLike(before: TreeView): Promise<void> {
    let changes: string[] = [];
    await until(
      () => `nothing to have changed, but:\n${changes.slice(0, 40).join("\n")}`,
      () => {
        try {
          changes = differences(before, viewTree(this.pid));
        } catch (error) {
          changes = [String(error)]; // a task that came or went meanwhile
        }
        return changes.length === 0;
      },
    );
  }
}

/** One of test/programs, which reports through its status file. */
export class Program extends Tree {
  readonly #status: string;
  #round = 1;

  protected constructor(pid: number, directory: string) {
    super(pid, directory);
    this.#status = path.join(directory, "status");
  }

  protected static prepare(directory: string): string {
    const status = path.join(directory, "status");
    writeFileSync(status, "");
    // programs that have become another user report too
    chmodSync(status, 0o666);
    return status;
  }

  static async start(name: string, args: readonly string[] = [], options: StartOptions = {}): Promise<Program> {
    const directory = options.directory ?? newDirectory();
    const status = Program.prepare(directory);
    const pid = await Tree.spawn(path.join(options.programs ?? PROGRAMS, name), ["--status", status, ...args], directory, options);
    const program = new Program(pid, directory);
    await program.ready();
    return program;
  }

  status(): string {
    return readFileSync(this.#status, "utf8");
  }

  async #line(wanted: string, deadlineMs?: number): Promise<void> {
    await until(
      () => `"${wanted}"; the program said:\n${this.status()}`,
      () => {
        const lines = this.status().split("\n");
        if (lines.includes(wanted)) return true;
        const failure = lines.find((line) => line.startsWith("FAIL"));
        if (failure !== undefined) throw new Error(failure);
        // the line may have come between the two looks
        if (hasEnded(this.pid) && !this.status().split("\n").includes(wanted)) {
          throw new Error(`the program ended (state ${stateOf(this.pid) ?? "gone"}) without "${wanted}":\n${this.status()}${this.log()}`);
        }
        return false;
      },
      deadlineMs,
    );
  }

  async ready(): Promise<void> {
    await this.#line(`ready ${this.#round}`);
    this.forgetDowntime();
    this.#reportDowntime();
  }

  /** Now, as what it waits for may be over before it is told to verify. */
  override wasAway(atLeastNs: bigint, atMostNs: bigint): void {
    super.wasAway(atLeastNs, atMostNs);
    this.#reportDowntime();
  }

  #reportDowntime(): void {
    const { atLeastNs, atMostNs } = this.downtime;
    writeFileSync(`${this.#status}.new`, `${atLeastNs} ${atMostNs}\n`);
    renameSync(`${this.#status}.new`, `${this.#status}.downtime`);
  }

  /** Have it verify its state, and set up anew. */
  async verify(): Promise<void> {
    process.kill(this.pid, "SIGUSR1");
    await this.#line(`PASS ${this.#round}`);
    this.#round++;
    await this.ready();
  }

  /** Have it verify its state, and end. */
  async finish(deadlineMs?: number): Promise<void> {
    process.kill(this.pid, "SIGUSR2");
    await this.#line(`PASS ${this.#round}`, deadlineMs);
    // reaping it is for its parent, which in a herd has other things to do
    await until(`${this.pid} to end`, () => hasEnded(this.pid));
  }
}

export interface Command {
  program: string;
  args?: readonly string[];
}

/** Several programs that are dumped as one tree. */
export class Herd extends Program {
  readonly members: readonly Program[];

  private constructor(pid: number, directory: string, members: readonly Program[]) {
    super(pid, directory);
    this.members = members;
  }

  static async gather(commands: readonly Command[]): Promise<Herd> {
    const directory = newDirectory();
    const directories = commands.map(newDirectory);
    for (const own of directories) Program.prepare(own);
    const list = path.join(directory, "list");
    const lines = commands.map(({ program, args = [] }, i) => [directories[i], path.join(PROGRAMS, program), ...args].join("\t"));
    writeFileSync(list, `${lines.join("\n")}\n`);
    const status = Program.prepare(directory);
    const pid = await Tree.spawn(path.join(PROGRAMS, "herd"), ["--status", status, list], directory, {});
    const members: Program[] = [];
    for (const member of directories) {
      const number = await until(`${member}/pid`, () => readPid(path.join(member, "pid")));
      members.push(new Program(number, member));
    }
    const herd = new Herd(pid, directory, members);
    await herd.ready();
    for (const member of members) await member.ready();
    return herd;
  }

  override wasAway(atLeastNs: bigint, atMostNs: bigint): void {
    super.wasAway(atLeastNs, atMostNs);
    for (const member of this.members) member.wasAway(atLeastNs, atMostNs);
  }
}

function readPid(file: string): number | undefined {
  try {
    const text = readFileSync(file, "utf8");
    return text.endsWith("\n") ? Number(text) : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
