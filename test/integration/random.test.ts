/** The property: whatever the tree, it is the same after a dump and a restore. */

import { writeFileSync } from "node:fs";
import path from "node:path";
import { newDirectory } from "./lib/directories.js";
import { randomTree } from "./lib/random.js";
import { liveThroughTwo } from "./lib/scenario.js";

/** CRCTL_TEST_SEED repeats one tree, CRCTL_TEST_TREES makes it more of them. */
const trees = Number(process.env.CRCTL_TEST_TREES ?? 6);
const first = Number(process.env.CRCTL_TEST_SEED ?? Math.floor(Math.random() * 1e9));
const seeds = process.env.CRCTL_TEST_SEED === undefined ? Array.from({ length: trees }, (_, i) => first + i) : [first];

describe("random trees", () => {
  for (const seed of seeds) {
    it(`seed ${seed}`, async () => {
      const directory = newDirectory();
      const specification = randomTree(seed, directory);
      const file = path.join(directory, "specification");
      writeFileSync(file, specification);
      try {
        await liveThroughTwo({ program: "random_tree", args: [file], directory });
      } catch (error) {
        if (error instanceof Error) error.message += `\nCRCTL_TEST_SEED=${seed} is this tree:\n${specification}`;
        throw error;
      }
    });
  }
});
