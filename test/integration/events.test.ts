/** Descriptors that tell of events: eventfd, timerfd, signalfd, epoll, pidfd, inotify. */

import { describeRows } from "./lib/scenario.js";

describeRows("events", [
  { program: "eventfd" },
  { program: "timerfd" },
  { program: "signalfd" },
  { program: "epoll" },
  { program: "pidfd" },
  { program: "inotify" },
]);
