/** Names for what is not saved, and what a person can do about it. */

import { isTerminal } from "./external.js";
import { protocolOf } from "./inet.js";
import { specialName } from "./special.js";
import { S_IFBLK, S_IFCHR, S_IFSOCK, descriptorOf, isType, type DumpContext, type Found } from "./types.js";

interface Name {
  object: string;
  why: string;
  hint: string;
}

const CLOSE = "let the program close it before the dump";

const ANONYMOUS: Readonly<Record<string, string>> = {
  "[fanotify]": "fanotify group",
  "[io_uring]": "io_uring",
  "[userfaultfd]": "userfaultfd",
  "[perf_event]": "perf event",
  "bpf-map": "BPF map",
  "bpf-prog": "BPF program",
  "kvm-vm": "virtual machine",
};

function nameOf(found: Found): Name {
  const { link, stat } = found;
  const anonymous = "anon_inode:";
  if (link.startsWith(anonymous)) {
    const name = link.slice(anonymous.length);
    const object = ANONYMOUS[name] ?? name;
    return { object, why: `descriptors of this kind (${object}) are not saved yet`, hint: CLOSE };
  }
  const special = specialName(found);
  if (special !== undefined) return { object: special, why: `descriptors of this kind (${special}) are not saved yet`, hint: CLOSE };
  if (isType(stat, S_IFSOCK)) {
    const protocol = protocolOf(found);
    if (protocol === undefined) return { object: "socket", why: "its protocol is not known", hint: CLOSE };
    return { object: `${protocol} socket`, why: `sockets of this protocol (${protocol}) are not saved yet`, hint: CLOSE };
  }
  if (isTerminal(found)) {
    return {
      object: "terminal",
      why: "a terminal is handed over at restore only where it is standard input, output or error of a task",
      hint: CLOSE,
    };
  }
  if (isType(stat, S_IFCHR)) {
    return { object: "device", why: "the state of this device cannot be read", hint: CLOSE };
  }
  if (isType(stat, S_IFBLK)) return { object: "block device", why: "block devices are not saved yet", hint: CLOSE };
  return { object: "descriptor", why: "it is of a kind that is not known", hint: CLOSE };
}

export function refuseDescriptor(found: Found, context: DumpContext): void {
  context.refuse({ ...descriptorOf(found), ...nameOf(found) });
}
