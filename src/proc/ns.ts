/** Links in /proc/<pid>/ns: "pid:[4026531836]". */

export const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"] as const;

/** Those whose difference from ours is known: what they add to clocks. */
export const TIME_NAMESPACES: readonly string[] = ["time", "time_for_children"] satisfies (typeof NAMESPACES)[number][];

export type NamespaceName = (typeof NAMESPACES)[number];

export function namespaceInode(link: string): bigint | undefined {
  const match = /^[a-z]+:\[(\d+)\]$/.exec(link);
  return match?.[1] === undefined ? undefined : BigInt(match[1]);
}
