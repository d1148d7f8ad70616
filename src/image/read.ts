/** Reads an image directory. Whatever is wrong with it ends in one error that says so. */

import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, readdirSync, statSync } from "node:fs";

import { CrctlError, ioError, isSystemError } from "../errors.js";
import { ShapeError, type Check } from "./check.js";
import { CoreHead, PREFIX_SIZE, headSize } from "./elfcore.js";
import { unpack } from "./msgpack.js";
import { ASIDE, FILES, INVENTORY, IPC, MEMORY, TASKS, TCP_KEEP, isImageFile } from "./names.js";
import { IMAGE_VERSION, type Inventory, type Ipc, type MappedFile, type OpenFile, type Task } from "./schema.js";
import * as validate from "./validate.js";
import { SEAL_LENGTH, sealOf, sha256 } from "./seal.js";

/** Features that this version knows; see Inventory.requires. */
const KNOWN_FEATURES: readonly string[] = [TCP_KEEP];

/** Of an image that lacks {@link IPC}. */
const NO_IPC: Ipc = { semaphores: [], queues: [] };

/** Bytes of one metadata file: far beyond what the largest tree needs, and still no harm to read. */
const MAX_METADATA = 256 << 20;

export interface Image {
  dir: string;
  inventory: Inventory;
  tasks: Task[];
  files: OpenFile[];
  memory: MappedFile[];
  ipc: Ipc;
}

export function readImage(dir: string): Image {
  const inventory = readInventory(dir);
  for (const { name, size } of inventory.files) checkSize(dir, name, size);
  const tasks = readMetadata(dir, TASKS, inventory, validate.tasks);
  const files = readMetadata(dir, FILES, inventory, validate.openFiles);
  const memory = readMetadata(dir, MEMORY, inventory, validate.mappedFiles);
  const ipc = inventory.files.some(({ name }) => name === IPC) ? readMetadata(dir, IPC, inventory, validate.ipc) : NO_IPC;
  const image = { dir, inventory, tasks, files, memory, ipc };
  shaped(dir, () => validate.crossCheck(image));
  return image;
}

/** Reads the head of a core file and compares it with the inventory. */
export function readCoreHead(image: Image, name: string): CoreHead {
  const path = `${image.dir}/${name}`;
  const entry = image.inventory.files.find((file) => file.name === name);
  if (entry?.sha256 === undefined) throw damaged(path, "the inventory does not know it");
  const fd = openRegular(path);
  try {
    const prefix = readAt(fd, 0, PREFIX_SIZE, path);
    const bytes = readAt(fd, 0, headSize(prefix, path), path);
    if (BigInt(bytes.length) !== entry.hashedBytes || sha256(bytes) !== entry.sha256) {
      throw damaged(path, "its checksum is wrong");
    }
    const head = new CoreHead(bytes, path);
    if (head.fileBytes !== entry.size) throw damaged(path, "its page segments do not fill it");
    return head;
  } finally {
    closeSync(fd);
  }
}

function readInventory(dir: string): Inventory {
  const path = `${dir}/${INVENTORY}`;
  checkDirectory(dir);
  let bytes: Uint8Array;
  try {
    bytes = readAll(path);
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") throw noInventory(dir);
    throw error instanceof CrctlError ? error : ioError(`cannot read ${path}`, path, error);
  }
  const seal = Buffer.from(bytes.subarray(-SEAL_LENGTH)).toString("latin1");
  let value: unknown;
  try {
    value = unpack(bytes);
  } catch {
    throw damaged(path, "it is no inventory of an image, or damaged");
  }
  const sealed = bytes.length > SEAL_LENGTH && sealOf(bytes) === seal;
  const fields = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  if (fields.magic !== "crctl") throw damaged(path, "it is no inventory of an image, or damaged");
  if (sealed && fields.version !== IMAGE_VERSION) {
    throw new CrctlError("E_IMAGE_VERSION", `${dir}: the image has version ${String(fields.version)}, known is ${IMAGE_VERSION}`, {
      path: dir,
      hint: "use the crctl that made it, or a newer one",
    });
  }
  if (!sealed) throw damaged(path, "its checksum is wrong");
  const inventory = shaped(path, () => validate.inventory(value, ""));
  const unknown = inventory.requires.filter((feature) => !KNOWN_FEATURES.includes(feature));
  if (unknown.length > 0) {
    throw new CrctlError("E_IMAGE_VERSION", `${dir}: the image needs what this crctl does not know: ${unknown.join(", ")}`, {
      path: dir,
      hint: "use the crctl that made it, or a newer one",
    });
  }
  return inventory;
}

function checkDirectory(dir: string): void {
  try {
    if (statSync(dir).isDirectory()) return;
  } catch (error) {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) {
      throw new CrctlError("E_NO_IMAGE", `no such directory: ${dir}`, { path: dir });
    }
    throw ioError(`cannot read ${dir}`, dir, error);
  }
  throw new CrctlError("E_NO_IMAGE", `not a directory: ${dir}`, { path: dir, hint: "an image is a directory" });
}

function noInventory(dir: string): CrctlError {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    return ioError(`cannot read ${dir}`, dir, error);
  }
  if (names.some((name) => name.startsWith(ASIDE))) {
    return new CrctlError("E_IMAGE_INCOMPLETE", `${dir} holds a complete image that an interrupted dump --force had put aside`, {
      path: dir,
      hint: `move what is in ${dir}/${ASIDE}* back to ${dir}; a dump to ${dir} does that too`,
    });
  }
  if (names.some((name) => isImageFile(name))) {
    return new CrctlError("E_IMAGE_INCOMPLETE", `${dir} holds an unfinished dump (it has no ${INVENTORY})`, { path: dir });
  }
  return new CrctlError("E_NO_IMAGE", `${dir} holds no image${names.length === 0 ? ": it is empty" : ""}`, { path: dir });
}

function checkSize(dir: string, name: string, size: bigint): void {
  const path = `${dir}/${name}`;
  const fd = openRegular(path);
  try {
    const real = fstatSync(fd, { bigint: true }).size;
    if (real !== size) throw damaged(path, `it has ${real} bytes and should have ${size}`);
  } finally {
    closeSync(fd);
  }
}

function readMetadata<T>(dir: string, name: string, inventory: Inventory, check: Check<T>): T {
  const path = `${dir}/${name}`;
  const entry = inventory.files.find((file) => file.name === name);
  if (entry?.sha256 === undefined) throw damaged(path, "the inventory does not know it");
  let bytes: Uint8Array;
  try {
    bytes = readAll(path);
  } catch (error) {
    throw error instanceof CrctlError ? error : ioError(`cannot read ${path}`, path, error);
  }
  if (sha256(bytes) !== entry.sha256) throw damaged(path, "its checksum is wrong");
  let value: unknown;
  try {
    value = unpack(bytes);
  } catch {
    throw damaged(path, "it is not msgpack");
  }
  return shaped(path, () => check(value, ""));
}

/** A plain file: opening a FIFO that somebody put there would block. */
function openRegular(path: string): number {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT") throw path.endsWith(`/${INVENTORY}`) ? error : damaged(path, "it is missing");
    if (isSystemError(error) && error.code === "ELOOP") throw damaged(path, "it is no regular file");
    throw ioError(`cannot read ${path}`, path, error);
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw damaged(path, "it is no regular file");
}

function readAll(path: string): Uint8Array {
  const fd = openRegular(path);
  try {
    const { size } = fstatSync(fd);
    if (size > MAX_METADATA) throw damaged(path, `it has ${size} bytes, more than any image needs`);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, position: number, length: number, path: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const n = readSync(fd, bytes, done, length - done, position + done);
    if (n === 0) throw damaged(path, "it is too short");
    done += n;
  }
  return bytes;
}

function shaped<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ShapeError) throw damaged(path, error.message);
    throw error;
  }
}

function damaged(path: string, what: string): CrctlError {
  return new CrctlError("E_IMAGE_DAMAGED", `${path}: ${what}`, { path });
}
