/** What the kinds that live in the kernel alone have in common: eventfd(2), timerfd_create(2), signalfd(2), epoll_create(2). */

import { descriptorOf, type DumpContext, type Found } from "./types.js";

const PREFIX = "anon_inode:";

/** "[eventfd]" and its like; undefined: it is not one of these. */
export function anonymousName(found: Found): string | undefined {
  return found.link.startsWith(PREFIX) ? found.link.slice(PREFIX.length) : undefined;
}

/** What /proc/<pid>/fdinfo says in a way that is not understood. */
export function refuseInfo(found: Found, object: string, context: DumpContext): void {
  context.refuse({
    ...descriptorOf(found),
    object,
    why: `/proc tells of it in a way that is not known: ${found.info.extra.join("; ")}`,
    hint: "let the program close it before the dump",
  });
}
