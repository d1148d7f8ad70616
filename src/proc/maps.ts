/** /proc/<pid>/maps, proc_pid_maps(5). */

/** "fd:01 4711", device and inode number as the kernel has them, by start of the mapping. */
export function memoryOf(maps: string): ReadonlyMap<bigint, string> {
  const found = new Map<bigint, string>();
  for (const line of maps.split("\n")) {
    const [, start, device, inode] = /^([0-9a-f]+)-\S+ \S+ \S+ (\S+) (\d+)/.exec(line) ?? [];
    if (start !== undefined && inode !== "0") found.set(BigInt(`0x${start}`), `${device} ${inode}`);
  }
  return found;
}
