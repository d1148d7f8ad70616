/** Descriptors that tell of events: eventfd, timerfd, signalfd, epoll, pidfd, inotify. */

import path from "node:path";
import { mkdirSync } from "node:fs";

import { withOverlay } from "./lib/mounts.js";
import { describeRows, liveThroughTwo } from "./lib/scenario.js";

describeRows("events", [
  { program: "eventfd" },
  { program: "timerfd" },
  { program: "signalfd" },
  { program: "epoll" },
  { program: "pidfd" },
  { program: "inotify" },
]);

describe("inotify where no file is opened by its handle", () => {
  it("finds what is watched by a walk from the top", async () => {
    await withOverlay(async (top) => {
      for (let i = 0; i < 50; i++) mkdirSync(path.join(top, "beside", String(i)), { recursive: true });
      const directory = path.join(top, "somewhere", "below");
      mkdirSync(directory, { recursive: true });
      await liveThroughTwo({ program: "inotify", directory, cwd: "/" });
    });
  });
});
