/** A progress bar on a terminal, for what takes longer than a second. */

import { Presets, SingleBar } from "cli-progress";

import type { Progress } from "../dump/options.js";
import { formatBytes } from "./format.js";

const SHOW_AFTER_MS = 1000;
const UPDATE_MS = 100;

/** The work is synchronous: no timer fires during it, so the bar is drawn when bytes are added. */
export function progressBar(title: string): Progress {
  let bar: SingleBar | undefined;
  let total = 0;
  let done = 0;
  let startMs = 0;
  let drawnMs = 0;
  return {
    start(totalBytes) {
      total = Number(totalBytes);
      startMs = performance.now();
    },
    add(bytes) {
      done += Number(bytes);
      const now = performance.now();
      if (now - startMs < SHOW_AFTER_MS || now - drawnMs < UPDATE_MS) return;
      drawnMs = now;
      const rate = `${formatBytes((done / (now - startMs)) * 1000)}/s`;
      const payload = { done: formatBytes(done), all: formatBytes(total), rate };
      if (bar === undefined) {
        bar = new SingleBar(
          {
            format: `${title} {bar} {percentage}% {done} of {all}, {rate}`,
            stream: process.stderr,
            hideCursor: true,
            clearOnComplete: true,
            synchronousUpdate: true,
            fps: 1000 / UPDATE_MS,
          },
          Presets.shades_classic,
        );
        bar.start(total, done, payload);
      } else {
        bar.update(done, payload);
      }
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}
