/** Kinds of memory that kernels or users differ in. */

import { closeSync, constants, openSync } from "node:fs";

import { isSystemError } from "../errors.js";
import { native } from "../native.js";
import { freeHugePages } from "../restore/huge-pages.js";
import { followsMappings } from "./rights.js";
import { YES, limited, no, read, type Answer, type Probe } from "./types.js";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_GET_SEALS = 1034;
const F_SEAL_EXEC = 0x20;

export const MEMORY: readonly Probe[] = [
  { id: "nameless-memory", about: "shared memory and mapped files without a name", ask: followsMappings },
  { id: "memfd", about: "memfds that may be executed", ask: memfd },
  { id: "sysv-ids", about: "System V shared memory, semaphores and message queues with their ids", ask: sysv },
  { id: "huge-pages", about: "huge pages (MAP_HUGETLB)", ask: hugePages },
  { id: "protection-keys", about: "protection keys of memory", ask: protectionKeys },
];

/** Without a word about it a memfd may be executed, unless vm.memfd_noexec forbids it; to ask for it would be logged by the kernel then. */
function memfd(): Answer {
  const fd = native().memfdCreate("crctl-check", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  let sealed;
  try {
    sealed = (native().fcntlNumber(fd, F_GET_SEALS, 0) & F_SEAL_EXEC) !== 0;
  } finally {
    closeSync(fd);
  }
  if (!sealed) return YES;
  const setting = `vm.memfd_noexec is ${read("/proc/sys/vm/memfd_noexec") ?? "set"}`;
  return limited(`${setting}: memfds come back sealed against being executed, and those that had been executable fail to be restored`);
}

/** Opening it for writing changes nothing. */
function sysv(): Answer {
  try {
    closeSync(openSync("/proc/sys/kernel/shm_next_id", constants.O_WRONLY));
    return YES;
  } catch (error) {
    if (isSystemError(error) && error.code === "ENOENT")
      return no("the kernel needs CONFIG_CHECKPOINT_RESTORE and CONFIG_SYSVIPC: objects cannot be made with their ids");
    return limited("it takes CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN: only tasks that use none of these are restored");
  }
}

function hugePages(): Answer {
  const stock = freeHugePages();
  if (stock.length === 0) return no("this kernel, or processor, has none: an image that uses them cannot be restored here");
  const value = stock.map(({ size, free }) => `${free} of ${size} free`).join(", ");
  if (stock.some(({ free }) => free > 0n)) return { ...YES, value };
  return { ...limited("none is free (vm.nr_hugepages): an image that uses them cannot be restored until some are"), value };
}

/** smaps tells of keys where the processor has them and the kernel uses them. */
function protectionKeys(): Answer {
  if (/^ProtectionKey:/m.test(read("/proc/self/smaps") ?? "")) return YES;
  return no("this processor or kernel has none: an image that uses them cannot be restored here");
}
