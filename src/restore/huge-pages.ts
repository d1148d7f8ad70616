/**
 * Huge pages (MAP_HUGETLB): a kernel has a number of them that its administrator has set, and there is no other memory to take their place.
 * That there are enough is looked at before anything is made.
 */

import { existsSync, readFileSync, readdirSync } from "node:fs";

import type { Problem } from "../errors.js";
import type { CoreHead } from "../image/elfcore.js";
import type { Task } from "../image/schema.js";
import { HUGE_OBJECT } from "../kinds/huge.js";

const STOCK = "/sys/kernel/mm/hugepages";

/** How many are free, in words, of each size that this machine has. */
export function freeHugePages(): { size: string; free: bigint }[] {
  if (!existsSync(STOCK)) return [];
  return readdirSync(STOCK)
    .map((name) => ({ name, kib: BigInt(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0) }))
    .sort((a, b) => Number(a.kib - b.kib))
    .map(({ name, kib }) => ({ size: sizeName(kib << 10n), free: freePages(`${STOCK}/${name}`) }));
}

/** What it takes. */
export class HugePages {
  /** by bytes of a page */
  private readonly needed = new Map<bigint, bigint>();

  add(pageBytes: bigint, pages: bigint): void {
    this.needed.set(pageBytes, (this.needed.get(pageBytes) ?? 0n) + pages);
  }

  addCores(cores: ReadonlyMap<Task, CoreHead>): void {
    for (const core of cores.values()) for (const { pageBytes, pages } of core.hugeAreas()) this.add(pageBytes, pages);
  }

  check(problems: Problem[], root = STOCK): void {
    for (const [pageBytes, pages] of this.needed) {
      const size = sizeName(pageBytes);
      const dir = `${root}/hugepages-${pageBytes >> 10n}kB`;
      if (!existsSync(dir)) {
        problems.push({
          code: "E_KERNEL",
          object: HUGE_OBJECT,
          why: `this kernel, or processor, has no pages of ${size}`,
          hint: "restore on a machine that has them",
        });
        continue;
      }
      const free = freePages(dir);
      if (free >= pages) continue;
      problems.push({
        code: "E_NO_HUGE_PAGES",
        object: HUGE_OBJECT,
        path: dir,
        why: `the tree needs ${pages} of ${size}, and ${free} are free`,
        hint: `let there be more: write a larger number to ${dir}/nr_hugepages`,
      });
    }
  }
}

/** Those that nobody has a right to, and what the kernel may add to them. Documentation/admin-guide/mm/hugetlbpage.rst */
function freePages(dir: string): bigint {
  const read = (name: string): bigint => BigInt(readFileSync(`${dir}/${name}`, "latin1").trim());
  const surplus = read("nr_overcommit_hugepages") - read("surplus_hugepages");
  return read("free_hugepages") - read("resv_hugepages") + (surplus > 0n ? surplus : 0n);
}

function sizeName(bytes: bigint): string {
  return bytes >= 1n << 30n ? `${bytes >> 30n} GiB` : `${bytes >> 20n} MiB`;
}
