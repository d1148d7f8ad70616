/** Collects what stands in the way of a dump, so that all of it is reported together. */

import { CrctlError, type Details, type ErrorCode, type Problem } from "../errors.js";

export class Problems {
  private list: Problem[] = [];
  private told: string[] = [];

  add(problem: Details & { why: string; code?: ErrorCode }): void {
    this.list.push({ ...problem, code: problem.code ?? "E_UNSUPPORTED" });
  }

  warn(text: string): void {
    if (!this.told.includes(text)) this.told.push(text);
  }

  get warnings(): readonly string[] {
    return this.told;
  }

  get found(): readonly Problem[] {
    return this.list;
  }

  /** Whether there is anything, and all of it may be gone in a moment. */
  get willPass(): boolean {
    return this.list.length > 0 && this.list.every((problem) => problem.transient === true);
  }

  /** For another look at all. */
  clear(): void {
    this.list = [];
    this.told = [];
  }

  /** Throws if there was anything. */
  check(): void {
    const [first] = this.list;
    if (first === undefined) return;
    const count = this.list.length;
    const what = count === 1 ? "something that cannot be saved" : `${count} things that cannot be saved`;
    throw new CrctlError(first.code, `the tree has ${what}; it goes on as before`, { problems: this.list });
  }
}
