/** /proc/<pid>/cgroup: the path in the unified hierarchy ("0::/path"), undefined without one. */
export function unifiedCgroup(text: string): string | undefined {
  for (const line of text.split("\n")) {
    if (line.startsWith("0::")) return line.slice(3);
  }
  return undefined;
}
