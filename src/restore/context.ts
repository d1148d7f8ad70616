/** What restore halves of kinds of objects work with: they turn what an image says into operations of the plan. */

import type { Details, ErrorCode } from "../errors.js";
import type { DataRef, ExternalFile, FileIdentity, OpenFile, Task } from "../image/schema.js";
import type { StatRecord } from "../native.js";
import type { Op, Subject } from "./plan.js";

export interface RestoreContext {
  /** A descriptor of the executor that its children inherit. */
  slot(): number;
  /** Something to make before the first fork, in order. */
  create(op: Op): void;
  /** A slot that only the making of others needs: closed when all objects are there. */
  scratch(slot: number): void;
  /** Something that a task itself has to do, before its descriptors are in place. */
  inTask(pid: number, op: Op): void;
  /** Something that a session's leader has to do as soon as it leads it, before it forks children. */
  asLeader(pid: number, op: Op): void;
  /** Something that a task has to do when all process groups are there. */
  withGroups(pid: number, op: Op): void;
  /** Something to do when the whole tree is loaded, before it runs. */
  finish(op: Op): void;
  /** Something that tells a task of what happens from then on: when nothing is made to happen any more. */
  arm(op: Op): void;
  /** Something that changes what is the caller's, or takes back what was there for a failure: when all else has succeeded. */
  last(op: Op): void;
  /** Something that somebody outside of the tree hears of: after all that, nothing else can fail any more. */
  release(op: Op): void;
  /** The description is what `slot` leads to. */
  place(file: OpenFile, slot: number): void;
  /** An open file by its id, and its slot, once that has been placed. */
  file(id: number): OpenFile | undefined;
  slotOf(id: number): number | undefined;
  /** Runs it when the descriptions of all kinds have their slots. */
  whenPlaced(act: () => void): void;
  /** The machine has not been started anew since the dump. */
  readonly sameBoot: boolean;
  /** All tasks of the image, zombies too. */
  readonly tasks: readonly Task[];
  /** The tasks that have it open. */
  holders(file: OpenFile): readonly number[];
  /** Whether it is in a message. */
  isPassed(file: OpenFile): boolean;
  /** Tells in messages which descriptor an operation is for. */
  subject(file: OpenFile): Subject;
  /** Compares the file at the path with what it was; undefined: there is none, or another one, and that has been told. */
  examine(identity: FileIdentity, about: Details, rules?: FileRules): StatRecord | undefined;
  /** The slot of a deleted file with its contents, open for reading and writing. */
  ghost(number: number, identity: FileIdentity, data: DataRef, subject: Subject): number;
  /** The slot of a memfd with its contents, open for reading and writing. */
  memfd(memory: number): number;
  /** What the caller hands over for it: its number in the executor, and the flags that it has now. */
  inherited(file: ExternalFile): { descriptor: number; flags: number } | undefined;
  /** What is made, or mapped, takes that many of the kernel's huge pages. */
  needHugePages(pageBytes: bigint, pages: bigint): void;
  refuse(problem: Details & { code: ErrorCode; why: string }): void;
  note(text: string): void;
}

/** What of a file matters to its user. */
export interface FileRules {
  /** bytes that must be there: a position, the end of a mapping */
  neededSize?: bigint;
  /** its contents are part of the restored state: private mappings of programs and libraries */
  unmodified?: boolean;
  /** contents may have changed without anybody caring */
  anyContents?: boolean;
  /** device numbers instead of an inode: /dev may have been made anew */
  device?: { major: number; minor: number };
}

/** A restore half gets all descriptions of its kind at once: ends of one pipe belong together. */
export type RestoreHalf<F extends OpenFile> = (files: readonly F[], context: RestoreContext) => void;
