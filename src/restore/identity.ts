/**
 * Whether files are still what they were. The rules:
 * - gone, of another type, or another inode: an error (a device is known by its numbers, an inode on a file system that
 *   was mounted anew by its size and time);
 * - shorter than a position or a mapping needs, or changed where its contents are part of the restored memory: an error;
 * - grown, shrunk or changed otherwise: a note. That is what a log file does.
 * With --force, errors but the first become notes.
 */

import type { Details, ErrorCode } from "../errors.js";
import type { FileIdentity } from "../image/schema.js";
import { S_IFLNK, S_IFMT, splitDevice } from "../kinds/types.js";
import { native, type Errno, type StatRecord } from "../native.js";
import type { FileRules } from "./context.js";

const ENOENT = -2;
const ENOTDIR = -20;

export interface FileReporter {
  refuse(problem: Details & { code: ErrorCode; why: string }): void;
  note(text: string): void;
}

export class FileChecks {
  private readonly stats = new Map<string, StatRecord | Errno>();

  constructor(
    private readonly reporter: FileReporter,
    private readonly force: boolean,
  ) {}

  /** Looks at all of them with two calls. */
  prepare(identities: readonly FileIdentity[]): void {
    for (const links of [false, true]) {
      const paths = new Set(identities.filter((file) => !file.deleted && isLink(file) === links).map(({ path }) => path));
      const list = [...paths];
      const stats = native().stats(list, !links);
      list.forEach((path, i) => this.stats.set(key(path, links), stats[i] ?? ENOENT));
    }
  }

  examine(identity: FileIdentity, about: Details, rules: FileRules = {}): StatRecord | undefined {
    const { path } = identity;
    const stat = this.stats.get(key(path, isLink(identity)));
    if (typeof stat !== "object") {
      const missing = stat === undefined || stat === ENOENT || stat === ENOTDIR;
      this.reporter.refuse({
        ...about,
        path,
        code: missing ? "E_FILE_MISSING" : "E_FILE_CHANGED",
        why: missing ? "the file is gone" : `the file cannot be examined (error ${-stat})`,
        hint: "put it back",
      });
      return undefined;
    }
    const problem = difference(identity, stat, rules);
    if (problem !== undefined) {
      const hint = "put the file back as it was, or use --force to take it as it is";
      if (problem.fatal || !this.force) {
        this.reporter.refuse({ ...about, path, code: "E_FILE_CHANGED", why: problem.why, ...(problem.fatal ? {} : { hint }) });
        return undefined;
      }
      this.reporter.note(`${path}: ${problem.why}; taken as it is (--force)`);
    } else if (rules.anyContents !== true) {
      const change = changeOf(identity, stat);
      if (change !== undefined) this.reporter.note(`${path}: ${change} since the dump`);
    }
    return stat;
  }
}

function isLink(identity: FileIdentity): boolean {
  return (identity.mode & S_IFMT) === S_IFLNK;
}

function key(path: string, link: boolean): string {
  return link ? `${path}\0link` : path;
}

function difference(old: FileIdentity, now: StatRecord, rules: FileRules): { why: string; fatal: boolean } | undefined {
  if ((old.mode & S_IFMT) !== (now.mode & S_IFMT)) return { why: "it is a file of another type now", fatal: true };
  if (rules.device !== undefined) {
    const { major, minor } = splitDevice(now.rdev);
    if (major === rules.device.major && minor === rules.device.minor) return undefined;
    return { why: `it is another device now (${major}:${minor} instead of ${rules.device.major}:${rules.device.minor})`, fatal: true };
  }
  const unchanged = old.size === now.size && old.mtimeNs === now.mtimeNs;
  // device numbers of file systems without a device change from mount to mount
  const same = old.ino === now.ino && (old.dev === now.dev || unchanged || rules.anyContents === true);
  if (!same) return { why: "it was replaced since the dump: another inode has its name", fatal: false };
  if (rules.neededSize !== undefined && now.size < old.size && now.size < rules.neededSize) {
    return { why: `it shrank from ${old.size} to ${now.size} bytes, ${rules.neededSize} are in use`, fatal: false };
  }
  if (rules.unmodified === true && !unchanged) {
    return { why: "it was modified since the dump, and pages that are mapped from it are not in the image", fatal: false };
  }
  return undefined;
}

function changeOf(old: FileIdentity, now: StatRecord): string | undefined {
  if (now.size > old.size) return `grew from ${old.size} to ${now.size} bytes`;
  if (now.size < old.size) return `shrank from ${old.size} to ${now.size} bytes`;
  return now.mtimeNs === old.mtimeNs ? undefined : "was modified";
}
