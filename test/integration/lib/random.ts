/** Random process trees, as test/programs/tree/random_tree.c reads them: the same seed gives the same tree. */

import path from "node:path";

/** mulberry32: small, and good enough for choices. */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From low to high, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(from: readonly T[]): T {
    const found = from[this.between(0, from.length - 1)];
    if (found === undefined) throw new Error("nothing to pick from");
    return found;
  }
}

/** wait(2) statuses that a zombie may have: exits, and ends by SIGHUP, SIGKILL, SIGTERM. */
const STATUSES = [0, 1 << 8, 255 << 8, 1, 9, 15] as const;
const CAPACITIES = [4096, 16384, 65536, 1 << 20] as const;
const PAGE = 4096;
/** SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
const STREAM = 1;
const DATAGRAMS = 2;
/** AF_UNIX, AF_INET, AF_INET6 */
const SOCKETS = [
  [1, STREAM],
  [1, DATAGRAMS],
  [1, 5],
  [2, STREAM],
  [2, DATAGRAMS],
  [10, STREAM],
  [10, DATAGRAMS],
] as const;

export function randomTree(seed: number, directory: string): string {
  const random = new Random(seed);
  const count = random.between(2, 10);
  const kinds = ["live"];
  const lines = [`task -1 live 0 0 ${random.between(0, 3)} ${random.between(0, 20)}`];

  for (let task = 1; task < count; task++) {
    const parents = kinds.flatMap((kind, index) => (kind === "live" ? [index] : []));
    const kind = random.pick(["live", "live", "live", "live", "stopped", "zombie"]);
    const argument = kind === "zombie" ? random.pick(STATUSES) : 0;
    const session = random.pick([0, 0, 0, 1, 2]);
    kinds.push(kind);
    lines.push(
      `task ${random.pick(parents)} ${kind} ${argument} ${session} ` +
        (kind === "zombie" ? "0 0" : `${random.pick([0, 0, 1, 3])} ${random.between(0, 20)}`),
    );
  }

  const holders = kinds.flatMap((kind, index) => (kind === "zombie" ? [] : [index]));
  const some = (probability: number): bigint =>
    holders.reduce((mask, task) => (random.chance(probability) ? mask | (1n << BigInt(task)) : mask), 0n);

  for (let pipe = random.between(0, 4); pipe > 0; pipe--) {
    const capacity = random.pick(CAPACITIES);
    const readers = some(0.4) | (1n << BigInt(random.pick(holders)));
    // one page less than would fit, as a page is taken even by one byte
    lines.push(`pipe ${random.between(0, capacity - PAGE)} ${capacity} ${readers} ${some(0.3)}`);
  }
  for (let memory = 0, memories = random.between(0, 3); memory < memories; memory++) {
    const pages = random.between(1, 40);
    lines.push(`memory ${pages}`);
    for (const task of holders) {
      if (!random.chance(0.5)) continue;
      const first = random.between(0, pages - 1);
      lines.push(`map ${memory} ${task} ${first} ${random.between(1, pages - first)}`);
    }
  }
  for (let file = random.between(0, 4); file > 0; file--) {
    lines.push(`file ${path.join(directory, `file-${file}`)} ${some(0.5)} ${random.between(0, 1_000_000)}`);
  }
  for (let pair = random.between(0, 5); pair > 0; pair--) {
    const [family, type] = random.pick(SOCKETS);
    const readers = some(0.3) | (1n << BigInt(random.pick(holders)));
    // datagrams wait in a queue of few
    lines.push(`pair ${family} ${type} ${random.between(0, type === DATAGRAMS ? 9_000 : 60_000)} ${readers} ${some(0.3)}`);
  }
  for (let watch = random.between(0, 3); watch > 0; watch--) {
    lines.push(`watch ${random.pick([0, 1, 77])} ${some(0.4) | (1n << BigInt(random.pick(holders)))}`);
  }
  return `${lines.join("\n")}\n`;
}
