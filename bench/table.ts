/** Medians with their spread, side by side. */

export interface Comparison {
  what: string;
  unit: "ms" | "MiB" | "calls";
  crctl: readonly number[];
  criu?: readonly number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = NaN, high = NaN] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : [sorted[middle - 1], sorted[middle]];
  return (low + high) / 2;
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function cell(values: readonly number[] | undefined): string {
  if (values === undefined || values.length === 0) return "";
  const low = Math.min(...values);
  const high = Math.max(...values);
  return low === high ? format(low) : `${format(median(values))} (${format(low)} to ${format(high)})`;
}

function row({ what, unit, crctl, criu }: Comparison): string[] {
  const ratio = criu === undefined ? "" : `${format(median(criu) / median(crctl))} x`;
  return [what, unit, cell(crctl), cell(criu), ratio];
}

/** "criu / crctl" above 1: crctl is ahead. */
export function printTable(title: string, comparisons: readonly Comparison[]): void {
  print(title, [["", "", "crctl", "criu", "criu / crctl"], ...comparisons.map(row)]);
}

/** What belongs to neither. */
export function printFloors(title: string, floors: readonly Comparison[]): void {
  print(
    title,
    floors.map(({ what, unit, crctl }) => [what, unit, cell(crctl)]),
  );
}

function print(title: string, rows: readonly (readonly string[])[]): void {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0))) ?? [];
  console.log(`\n${title}`);
  for (const cells of rows) {
    console.log(
      cells.map((text, column) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0))).join("  "),
    );
  }
}
