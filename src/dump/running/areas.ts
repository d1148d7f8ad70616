/**
 * The memory of a task that runs, as /proc/<pid>/smaps shows it: what of it the kernel module would refuse, what is mapped, how much it is.
 * smaps names flags by two letters; those that are not known here are left to the module.
 */

import { FILE_FLAG, REFUSE } from "../../image/layout.js";
import { mappingOf, type Mapping } from "../../kinds/memory.js";
import type { Details } from "../../errors.js";
import type { FrozenTask } from "../../native.js";
import { REFUSALS } from "../refusals.js";

export interface Area {
  start: bigint;
  shared: boolean;
  device: { major: number; minor: number };
  ino: bigint;
  name: string;
  /** undefined: the kernel does not tell */
  flags: ReadonlySet<string> | undefined;
  /** pages of its own, in memory or swapped out */
  ownBytes: bigint;
}

const HEADER = /^([0-9a-f]+)-[0-9a-f]+ (\S{4}) [0-9a-f]+ ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$/;
const GATE = "[vsyscall]";

/** Of smaps, or of maps, which has the first line of each area only. */
export function parseAreas(text: string): Area[] {
  const areas: Area[] = [];
  let area: Area | undefined;
  for (const line of text.split("\n")) {
    const header = HEADER.exec(line);
    if (header !== null) {
      const [, start = "0", rights = "", major = "0", minor = "0", ino = "0", name = ""] = header;
      area = {
        start: BigInt(`0x${start}`),
        shared: rights.endsWith("s"),
        device: { major: parseInt(major, 16), minor: parseInt(minor, 16) },
        ino: BigInt(ino),
        name: name.replaceAll("\\012", "\n"),
        flags: undefined,
        ownBytes: 0n,
      };
      // belongs to no process
      if (area.name !== GATE) areas.push(area);
    } else if (area !== undefined) {
      fill(area, line);
    }
  }
  return areas;
}

/** Huge pages are counted apart; "shared" are those that a child has as well. */
const OWN: ReadonlySet<string> = new Set(["Anonymous", "Swap", "Private_Hugetlb", "Shared_Hugetlb"]);

function fill(area: Area, line: string): void {
  const [, field = "", value = ""] = /^(\w+): *(.*)$/.exec(line) ?? [];
  if (field === "VmFlags") area.flags = new Set(value.trim().split(" "));
  // those of a shared file are in the file
  else if (!area.shared && OWN.has(field)) area.ownBytes += BigInt(parseInt(value, 10)) * 1024n;
}

const DELETED = " (deleted)";
const HUGE_ANONYMOUS = "/anon_hugepage";

/** What mmap(2) makes of MAP_HUGETLB: a file of the kernel's own, which is nothing but a name if the mapping is private. */
function isHugeAnonymous({ flags, shared, name }: Area): boolean {
  return flags?.has("ht") === true && !shared && name === `${HUGE_ANONYMOUS}${DELETED}`;
}

/** Of memfd_secret(2); it is always locked. */
function isSecret({ device, flags, name }: Area): boolean {
  return device.major === 0 && flags?.has("lo") === true && name === `/secretmem${DELETED}`;
}

/** System V shared memory has its id for an inode number, and that may be 0. */
function hasFile({ ino, name }: Area): boolean {
  return ino !== 0n || name.startsWith("/");
}

/** What no file is behind. A name in brackets that the kernel gives to what is its own is not one of these. */
const NO_FILE = /^(|\[heap\]|\[stack\]|\[anon:.*)$/s;
const OF_THE_KERNEL = /^\[(vdso|vvar.*)\]$/;

type Refusal = Details & { why: string };

/** What the module would say of it, as far as it can be seen. Shadow stacks, seals and sync are flags that it does not take. */
export function refusalsOf(area: Area): Refusal[] {
  const { start, shared, name, flags } = area;
  const file = hasFile(area);
  if (!file && name === "[uprobes]") return [refusal(REFUSE.UPROBE, start, "the area of a uprobe; remove the probe")];
  if (!file && OF_THE_KERNEL.test(name)) return [];
  if (!file && (!NO_FILE.test(name) || shared))
    return [refusal(REFUSE.VMA_KIND, start, `a mapping of the kernel's or of a driver: ${name === "" ? "no name" : name}`)];
  if (name === "anon_inode:[io_uring]") return [refusal(REFUSE.IO_URING, start, "the rings of io_uring")];
  if (name.startsWith("/[aio]")) return [refusal(REFUSE.AIO, start, "the ring of an io_setup(2) context")];
  if (isSecret(area)) return [refusal(REFUSE.VMA_KIND, start, "secret memory (memfd_secret)")];
  if (file && !name.startsWith("/") && !name.startsWith("[anon_shmem:"))
    return [refusal(REFUSE.VMA_KIND, start, `a mapping of what is no ordinary file: ${name}`)];
  const [, code, why] = FLAGS.find(([flag]) => flags?.has(flag)) ?? [];
  return code === undefined || why === undefined ? [] : [refusal(code, start, why)];
}

const USERFAULTFD = "memory whose faults a userfaultfd handles";

/** Documentation/filesystems/proc.rst; VM_IO and VM_PFNMAP stand for what drivers map */
const FLAGS: readonly (readonly [string, number, string])[] = [
  ["um", REFUSE.USERFAULTFD, USERFAULTFD],
  ["uw", REFUSE.USERFAULTFD, USERFAULTFD],
  ["ui", REFUSE.USERFAULTFD, USERFAULTFD],
  ["sf", REFUSE.VMA_FLAG, "a mapping with MAP_SYNC"],
  ["ss", REFUSE.VMA_FLAG, "a shadow stack"],
  ["sl", REFUSE.VMA_FLAG, "sealed memory (mseal)"],
  ["pf", REFUSE.VMA_KIND, "a mapping of device memory"],
  ["io", REFUSE.VMA_KIND, "a mapping of device memory"],
];

/** Of huge pages a policy is the area's, which is saved if nobody else has to do with it. */
function hasSharedPolicy({ device, name, flags, shared }: Area, kernelDevices: ReadonlySet<string>): boolean {
  if (flags?.has("ht") === true) return shared;
  const plain = name.endsWith(DELETED) ? name.slice(0, -DELETED.length) : name;
  return kernelDevices.has(`${device.major}:${device.minor}`) && kernelFlag(plain) !== 0;
}

function refusal(code: number, address: bigint, why: string): Refusal {
  const known = REFUSALS.get(code);
  return { address, object: known?.object ?? "memory area", why, ...(known === undefined ? {} : { hint: known.hint }) };
}

/** The files that are mapped. `kernelDevices`: those of shared anonymous memory, memfds and System V segments, in words of maps. */
export function mappingsOf(
  task: Pick<FrozenTask, "pid" | "threads">,
  comm: string,
  areas: readonly Area[],
  kernelDevices: ReadonlySet<string>,
): Mapping[] {
  return areas
    .filter((area) => area.name.startsWith("/") && !isHugeAnonymous(area) && refusalsOf(area).length === 0)
    .map(({ start, device, ino, name }) => {
      const deleted = name.endsWith(DELETED);
      const plain = deleted ? name.slice(0, -DELETED.length) : name;
      const kind = kernelDevices.has(`${device.major}:${device.minor}`) ? kernelFlag(plain) : 0;
      return mappingOf(task, comm, {
        start,
        devMajor: device.major,
        devMinor: device.minor,
        ino,
        flags: kind | (deleted ? FILE_FLAG.DELETED : 0),
        name: plain,
      });
    });
}

function kernelFlag(name: string): number {
  if (name === "/dev/zero" || name === HUGE_ANONYMOUS) return FILE_FLAG.SHMEM_ANON;
  if (name.startsWith("/memfd:")) return FILE_FLAG.MEMFD;
  return name.startsWith("/SYSV") ? FILE_FLAG.SYSV : 0;
}

/** Mappings of System V shared memory, by id. */
export function attachmentsOf(areas: readonly Area[], kernelDevices: ReadonlySet<string>): Map<bigint, number> {
  const sum = new Map<bigint, number>();
  for (const { device, ino, name } of areas) {
    if (!kernelDevices.has(`${device.major}:${device.minor}`) || !name.startsWith("/SYSV")) continue;
    sum.set(ino, (sum.get(ino) ?? 0) + 1);
  }
  return sum;
}

/**
 * Shared memory that has a policy of its own, from /proc/<pid>/numa_maps. Areas without one show that of the first task there, as
 * the areas of the kernel's do.
 */
export function sharedPolicies(numaMaps: string, areas: readonly Area[], kernelDevices: ReadonlySet<string>): Refusal[] {
  const policies = new Map(
    numaMaps.split("\n").flatMap((line): [bigint, string][] => {
      const [, start, policy] = /^([0-9a-f]+) (\S+)/.exec(line) ?? [];
      return start === undefined || policy === undefined ? [] : [[BigInt(`0x${start}`), policy]];
    }),
  );
  const own = areas.find(({ name }) => OF_THE_KERNEL.test(name));
  const usual = own === undefined ? undefined : policies.get(own.start);
  if (usual === undefined) return [];
  return areas
    .filter((area) => {
      const policy = policies.get(area.start);
      return policy !== undefined && policy !== usual && hasSharedPolicy(area, kernelDevices);
    })
    .map(({ start }) => refusal(REFUSE.MEMPOLICY, start, "shared memory with a NUMA policy (mbind)"));
}
