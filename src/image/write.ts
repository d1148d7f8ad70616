/**
 * Writes an image directory. What marks it complete, the inventory, is written last, after everything else is on
 * disk; until then a failure takes away whatever was written.
 */

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";

import { CrctlError, ioError, isSystemError } from "../errors.js";
import { fault } from "../fault.js";
import { native } from "../native.js";
import { pack } from "./msgpack.js";
import { ASIDE, INVENTORY, isImageFile } from "./names.js";
import type { Inventory } from "./schema.js";
import { SEAL_LENGTH, seal, sha256 } from "./seal.js";

interface Written {
  name: string;
  fd: number;
  sha256?: string;
  hashedBytes?: bigint;
}

/** The image that is to be overwritten, until the new one is complete. */
interface Aside {
  path: string;
  /** the inventory first */
  names: string[];
}

export class ImageWriter {
  readonly dir: string;
  /** true: we made the directory, and take it away again on failure */
  private readonly made: boolean;
  private aside: Aside | undefined;
  private closed = false;
  private readonly files: Written[] = [];
  /** made ahead of time, and not asked for yet */
  private readonly reserved = new Map<string, number>();
  /** the directory itself, locked */
  private readonly lock: number;

  private constructor(dir: string, made: boolean, parts: { lock: number; aside: Aside | undefined }) {
    this.dir = dir;
    this.made = made;
    this.lock = parts.lock;
    this.aside = parts.aside;
  }

  /**
   * Makes the directory if it is not there, and checks that it can hold an image. Left-overs of an unfinished dump
   * are removed, a complete image only with `force`, and only once the new one is complete.
   */
  static open(dir: string, options: { force: boolean }): ImageWriter {
    let made = false;
    try {
      mkdirSync(dir, { mode: 0o700 });
      made = true;
    } catch (error) {
      if (!isSystemError(error) || error.code !== "EEXIST") throw dirError(dir, error);
    }
    let lock: number | undefined;
    let aside: Aside | undefined;
    try {
      if (made) fault("dump.directory");
      lock = lockDirectory(dir);
      if (!made) aside = prepare(dir, options.force);
    } catch (error) {
      if (made) attempt(() => rmdirSync(dir));
      if (lock !== undefined) closeSync(lock);
      throw error;
    }
    const writer = new ImageWriter(dir, made, { lock, aside });
    // only a try tells whether a directory can be written to (read-only mounts, idmaps, quotas)
    try {
      const probe = `${dir}/.crctl-${randomBytes(6).toString("hex")}`;
      closeSync(openSync(probe, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600));
      unlinkSync(probe);
    } catch (error) {
      writer.abandon();
      throw dirError(dir, error);
    }
    return writer;
  }

  /** Makes a file that create() may ask for, with room for so many bytes. */
  reserve(name: string, bytes: bigint): void {
    const fd = this.open(name);
    this.reserved.set(name, fd);
    try {
      native().reserve(fd, bytes);
    } catch (error) {
      throw ioError("cannot write to the image", `${this.dir}/${name}`, error);
    }
  }

  /** Gives back what was reserved for others than these. */
  keepReserved(names: ReadonlySet<string>): void {
    this.dropReserved((name) => !names.has(name));
  }

  /** A new file of the image; it stays open until the image is complete. Where it was reserved, end() must tell its size. */
  create(name: string): number {
    const fd = this.reserved.get(name) ?? this.open(name);
    this.reserved.delete(name);
    this.files.push({ name, fd });
    return fd;
  }

  private open(name: string): number {
    const path = `${this.dir}/${name}`;
    try {
      return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    } catch (error) {
      throw ioError("cannot create a file of the image", path, error);
    }
  }

  /** Gives back the room behind the end of what was written. */
  end(name: string, fd: number, size: bigint): void {
    try {
      ftruncateSync(fd, Number(size));
    } catch (error) {
      throw ioError("cannot write to the image", `${this.dir}/${name}`, error);
    }
  }

  /** The hash of the first bytes of a file that was created. */
  setHash(name: string, head: Uint8Array): void {
    const file = this.files.find((f) => f.name === name);
    if (file === undefined) throw new Error(`no file ${name}`);
    file.sha256 = sha256(head);
    file.hashedBytes = BigInt(head.length);
  }

  /** Returns how many bytes it took. */
  writeMetadata(name: string, value: unknown): bigint {
    const bytes = pack(value);
    const fd = this.create(name);
    this.write(name, fd, bytes);
    this.setHash(name, bytes);
    fault("dump.metadata");
    return BigInt(bytes.length);
  }

  write(name: string, fd: number, bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
    } catch (error) {
      throw ioError("cannot write to the image", `${this.dir}/${name}`, error);
    }
  }

  /** Everything on disk, then the inventory: from here on the directory is an image. */
  finish(inventory: Omit<Inventory, "files" | "sha256">): void {
    try {
      this.dropReserved();
      fault("dump.sync");
      native().sync(this.files.map((file) => file.fd));
      const files: Inventory["files"] = this.files.map((file) => ({
        name: file.name,
        size: fstatSync(file.fd, { bigint: true }).size,
        ...(file.sha256 === undefined ? {} : { sha256: file.sha256, hashedBytes: file.hashedBytes ?? 0n }),
      }));
      const bytes = pack({ ...inventory, files, sha256: "0".repeat(SEAL_LENGTH) } satisfies Inventory);
      seal(bytes);
      const temporary = `${INVENTORY}.tmp`;
      const fd = this.create(temporary);
      this.write(temporary, fd, bytes);
      native().sync([fd]);
      fault("dump.inventory");
      renameSync(`${this.dir}/${temporary}`, `${this.dir}/${INVENTORY}`);
      this.files[this.files.length - 1] = { name: INVENTORY, fd };
      fault("dump.renamed");
      native().sync([this.lock]);
    } catch (error) {
      throw ioError("cannot complete the image", this.dir, error);
    }
    const { aside } = this;
    this.aside = undefined;
    // the next dump tries again to remove it
    if (aside !== undefined) attempt(() => rmSync(aside.path, { recursive: true, force: true }));
    this.close();
  }

  private dropReserved(wanted: (name: string) => boolean = () => true): void {
    for (const [name, fd] of this.reserved) {
      if (!wanted(name)) continue;
      this.reserved.delete(name);
      closeSync(fd);
      rmSync(`${this.dir}/${name}`, { force: true });
    }
  }

  /** After a failure: nothing of ours stays, and what was there is back. Each step is tried, whatever becomes of the others. */
  abandon(): void {
    if (this.closed) return;
    const files = this.files.slice();
    while (this.reserved.size > 0) attempt(() => this.dropReserved());
    // the inventory first: without it the rest is no image
    for (const file of files.reverse()) attempt(() => rmSync(`${this.dir}/${file.name}`, { force: true }));
    if (this.aside !== undefined) putBack(this.dir, this.aside);
    if (this.made) attempt(() => rmdirSync(this.dir)); // somebody else may have put something there: theirs
    attempt(() => this.close());
  }

  private close(): void {
    this.closed = true;
    for (const file of this.files.splice(0)) closeSync(file.fd);
    closeSync(this.lock); // the last: the directory is anybody's again
  }
}

/** Two dumps to one directory would take each other's files for left-overs. */
function lockDirectory(dir: string): number {
  let fd: number;
  try {
    fd = openSync(dir, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw dirError(dir, error);
  }
  if (native().lock(fd)) return fd;
  closeSync(fd);
  throw new CrctlError("E_DIR_IN_USE", `another crctl is writing to ${dir}`, { path: dir, hint: "choose another directory" });
}

/** Left-overs of an unfinished dump go; a complete image is put aside, and its place returned. */
function prepare(dir: string, force: boolean): Aside | undefined {
  try {
    if (!statSync(dir).isDirectory()) {
      throw new CrctlError("E_DIR", `not a directory: ${dir}`, { path: dir, hint: "choose a directory for the image" });
    }
    recover(dir);
    const names = readdirSync(dir);
    const ours = names.filter((name) => isImageFile(name));
    if (!names.includes(INVENTORY)) {
      for (const name of ours) unlinkSync(`${dir}/${name}`);
      return undefined;
    }
    if (!force) {
      throw new CrctlError("E_DIR_IN_USE", `${dir} holds a complete image`, {
        path: dir,
        hint: "choose another directory, or overwrite the image with --force",
      });
    }
    const aside = { path: `${dir}/${ASIDE}${randomBytes(6).toString("hex")}`, names: inventoryFirst(ours) };
    mkdirSync(aside.path, { mode: 0o700 });
    try {
      // without its inventory the directory is no image; with it, it is a whole one
      for (const name of aside.names) {
        fault("dump.aside");
        renameSync(`${dir}/${name}`, `${aside.path}/${name}`);
      }
    } catch (error) {
      putBack(dir, aside);
      throw error;
    }
    return aside;
  } catch (error) {
    throw dirError(dir, error);
  }
}

/** What a crctl that was killed had put aside: back if its own image was not complete, else no longer wanted. */
function recover(dir: string): void {
  const names = readdirSync(dir);
  for (const name of names.filter((candidate) => candidate.startsWith(ASIDE))) {
    const path = `${dir}/${name}`;
    if (names.includes(INVENTORY)) {
      rmSync(path, { recursive: true, force: true });
      continue;
    }
    // in the place of what there is of the new one; files that the old inventory does not name do not matter
    putBack(dir, { path, names: inventoryFirst(readdirSync(path)) });
  }
}

/** The inventory last. */
function putBack(dir: string, { path, names }: Aside): void {
  for (const name of names.slice().reverse()) attempt(() => renameSync(`${path}/${name}`, `${dir}/${name}`));
  attempt(() => rmdirSync(path));
}

/** While putting things right one failure must not keep the rest from being done. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // the error that led here is the one to tell
  }
}

function inventoryFirst(names: readonly string[]): string[] {
  return [...names].sort((a, b) => Number(b === INVENTORY) - Number(a === INVENTORY));
}

function dirError(dir: string, error: unknown): CrctlError {
  if (error instanceof CrctlError) return error;
  if (isSystemError(error)) {
    if (error.code === "ENOTDIR") return new CrctlError("E_DIR", `a part of the path is not a directory: ${dir}`, { path: dir });
    if (error.code === "ENOENT") {
      return new CrctlError("E_DIR", `no such directory: ${dir}`, { path: dir, hint: "only the last part of the path is made" });
    }
  }
  return ioError(`cannot use the directory ${dir}`, dir, error);
}
