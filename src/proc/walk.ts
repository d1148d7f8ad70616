/** Names of files of which only device and inode number are known, on file systems that open none by its handle: overlayfs, FUSE. */

import { readdirSync, type Dirent } from "node:fs";

import { isShortage } from "../errors.js";
import { native } from "../native.js";
import { mountPoints, mountsOf } from "./mounts.js";

/** A large file system takes minutes; what is watched is near the top, or near what the program has open, more often than not. */
const MAX_MS = 5000;
const MAX_NAMES = 200_000;

/** A walk through one file system, level by level, which goes on where it stood when something else is looked for. */
export class Walk {
  readonly #directories: string[];
  readonly #mountPoints = mountPoints();
  readonly #seen = new Set<string>();
  readonly #named = new Map<bigint, string[]>();
  #names = 0;
  #ms = 0;

  /** `device` as the kernel has it, major << 20 | minor */
  constructor(device: bigint) {
    this.#directories = mountsOf(device);
  }

  /** Directories to look at, and in, before any that has not been looked at yet. */
  startAt(directories: Iterable<string>): void {
    this.#directories.unshift(...directories);
  }

  /** Names of inodes with that number. They may be old by now, and on another file system: the caller knows what it looks for. */
  *find(ino: bigint): Generator<string> {
    let told = 0;
    for (;;) {
      for (const path of this.#named.get(ino)?.slice(told) ?? []) {
        told++;
        yield path;
      }
      const next = this.#names > MAX_NAMES || this.#ms > MAX_MS ? undefined : this.#directories.shift();
      if (next === undefined) return;
      const begin = performance.now();
      this.#look(next);
      this.#ms += performance.now() - begin;
    }
  }

  #look(directory: string): void {
    if (this.#seen.has(directory)) return;
    this.#seen.add(directory);
    let entries: Dirent[];
    try {
      entries = readdirSync(directory, { withFileTypes: true });
    } catch (error) {
      if (isShortage(error)) throw error;
      return; // it is gone, or not for us
    }
    const above = directory === "/" ? "" : directory;
    const paths = [directory, ...entries.map(({ name }) => `${above}/${name}`)];
    native()
      .stats(paths, false)
      .forEach((stat, i) => {
        if (typeof stat === "object") this.#name(stat.ino, paths[i] ?? "");
      });
    this.#names += paths.length;
    const below = entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${above}/${name}`);
    this.#directories.push(...below.filter((path) => !this.#mountPoints.has(path)));
  }

  #name(ino: bigint, path: string): void {
    const paths = this.#named.get(ino);
    if (paths === undefined) this.#named.set(ino, [path]);
    else if (!paths.includes(path)) paths.push(path);
  }
}
