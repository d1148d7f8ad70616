/** Collects what stands in the way of a dump, so that all of it is reported together. */

import { CrctlError, type Details, type ErrorCode, type Problem } from "../errors.js";

export class Problems {
  private readonly list: Problem[] = [];
  readonly warnings: string[] = [];

  add(problem: Details & { why: string; code?: ErrorCode }): void {
    this.list.push({ ...problem, code: problem.code ?? "E_UNSUPPORTED" });
  }

  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text);
  }

  get found(): readonly Problem[] {
    return this.list;
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
