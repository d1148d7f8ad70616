/** /proc/<pid>/status, proc(5): "Name:\tvalue" lines. */

/** The value of a field without the white space around it; undefined if the kernel does not have it. */
export function statusField(text: string, name: string): string | undefined {
  // the name of the task, which may be anything without a newline, is the first line: search behind it
  const at = text.indexOf(`\n${name}:`);
  if (at < 0) return undefined;
  const start = at + name.length + 2;
  const end = text.indexOf("\n", start);
  return text.slice(start, end < 0 ? undefined : end).trim();
}

export function statusNumber(text: string, name: string, radix = 10): number | undefined {
  const value = statusField(text, name);
  return value === undefined ? undefined : parseInt(value, radix);
}
