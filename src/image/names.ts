/** Names of the files of an image directory. */

export const INVENTORY = "inventory.msgpack";
export const TASKS = "tasks.msgpack";
export const FILES = "files.msgpack";
export const MEMORY = "memory.msgpack";
export const IPC = "ipc.msgpack";

/** In Inventory.requires: connections out of the tree that are to go on. */
export const TCP_KEEP = "tcp-keep";

/** How directories begin in which a dump that overwrites an image keeps it until the new one is complete. */
export const ASIDE = ".crctl-old-";

export function coreName(pid: number): string {
  return `core-${pid}.elf`;
}

export function dataName(index: number): string {
  return `data-${index}.img`;
}

/** Whether crctl gives files such a name: what an overwrite may remove, and what an inventory may list. */
export function isImageFile(name: string): boolean {
  return /^(?:(?:inventory|tasks|files|memory|ipc)\.msgpack|inventory\.msgpack\.tmp|core-[0-9]+\.elf|data-[0-9]+\.img)$/.test(name);
}
