/** Links in /proc/<pid>/ns: "pid:[4026531836]". */

export const NAMESPACES = ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"] as const;

export type NamespaceName = (typeof NAMESPACES)[number];

export function namespaceInode(link: string): bigint | undefined {
  const match = /^[a-z]+:\[(\d+)\]$/.exec(link);
  return match?.[1] === undefined ? undefined : BigInt(match[1]);
}
