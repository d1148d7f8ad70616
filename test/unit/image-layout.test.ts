/** src/image/layout.ts and kmod/crctl_image.h describe the same bytes: the header is compiled and asked. */

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";

import * as layout from "../../src/image/layout.js";
import type { Fields, Struct } from "../../src/image/struct.js";

function findHeader(): string {
  for (let dir = import.meta.dirname; dir !== "/"; dir = path.dirname(dir)) {
    const header = path.join(dir, "kmod/crctl_image.h");
    if (existsSync(header)) return header;
  }
  throw new Error("kmod/crctl_image.h is not above this test");
}

const STRUCTS: readonly [string, Struct<Fields>][] = [
  ["crctl_note_head", layout.NoteHead],
  ["crctl_image_info", layout.ImageInfo],
  ["crctl_mm", layout.Mm],
  ["crctl_vma", layout.Vma],
  ["crctl_process", layout.Process],
  ["crctl_thread", layout.Thread],
  ["crctl_sigaction", layout.SigAction],
  ["crctl_sigpending", layout.SigPending],
  ["crctl_timer", layout.Timer],
  ["crctl_descriptor", layout.DescriptorNote],
  ["crctl_tcp", layout.TcpNote],
  ["crctl_sem_undo", layout.SemUndo],
  ["crctl_cow", layout.Cow],
  ["crctl_mempolicy", layout.MemPolicy],
  ["crctl_peercred", layout.PeerCred],
  ["crctl_lock", layout.Lock],
  ["crctl_notify", layout.Notify],
  ["crctl_mqueue", layout.MqueueNote],
  ["crctl_mqueue_message", layout.MqueueMessage],
  ["crctl_creds", layout.Creds],
  ["crctl_seccomp", layout.Seccomp],
  ["crctl_refusal", layout.Refusal],
  ["crctl_extent", layout.Extent],
  ["crctl_control", layout.Control],
];

const CONSTANTS: readonly [string, Readonly<Record<string, number | bigint>>][] = [
  ["CRCTL_NT_", layout.NT],
  ["CRCTL_IMAGE_", layout.IMAGE_KIND],
  ["CRCTL_DESCRIPTOR_", layout.DESCRIPTOR_WHAT],
  ["CRCTL_TERMINAL_", layout.TERMINAL_FLAG],
  ["CRCTL_TCP_", layout.TCP_FLAG],
  ["CRCTL_UDP_", layout.UDP_FLAG],
  ["CRCTL_NETLINK_", layout.NETLINK_FLAG],
  ["CRCTL_MQUEUE_", layout.MQUEUE_FLAG],
  ["CRCTL_VMA_", layout.VMA_KIND],
  ["CRCTL_VMF_", layout.VMF],
  ["CRCTL_FILE_", layout.FILE_FLAG],
  ["CRCTL_MEMBARRIER_", layout.MEMBARRIER],
  ["CRCTL_RESTART_", layout.RESTART],
  ["CRCTL_POLICY_", layout.POLICY],
  ["CRCTL_EXTENT_", layout.EXTENT_SOURCE],
  ["CRCTL_REFUSE_", layout.REFUSE],
];

const BOUNDS = {
  IMAGE_VERSION: layout.FORMAT_VERSION,
  MAX_NOTES_SIZE: layout.MAX_NOTES_SIZE,
  MAX_PHDRS: layout.MAX_PHDRS,
  MAX_THREADS: layout.MAX_THREADS,
  MAX_VMAS: layout.MAX_VMAS,
  MAX_PID_LEVELS: layout.MAX_PID_LEVELS,
};

describe("image: layout", () => {
  const header = findHeader();

  it("is that of the kernel module's header", function () {
    this.timeout(20000);
    const source = [
      `#include <stddef.h>`,
      `#include "${header}"`,
      ...STRUCTS.flatMap(([name, struct]) => [
        `_Static_assert(sizeof(struct ${name}) == ${struct.size}, "sizeof ${name}");`,
        ...struct.layout.map(
          (field) => `_Static_assert(offsetof(struct ${name}, ${field.name}) == ${field.offset}, "${name}.${field.name}");`,
        ),
      ]),
      ...CONSTANTS.flatMap(([prefix, values]) =>
        Object.entries(values).map(([name, value]) => `_Static_assert(${prefix}${name} == ${value}, "${prefix}${name}");`),
      ),
      ...Object.entries(BOUNDS).map(([name, value]) => `_Static_assert(CRCTL_${name} == ${value}, "CRCTL_${name}");`),
    ].join("\n");
    const dir = mkdtempSync(path.join(tmpdir(), "crctl-layout-"));
    try {
      writeFileSync(path.join(dir, "check.c"), `${source}\n`);
      const { status, stderr } = spawnSync("cc", ["-std=gnu11", "-fsyntax-only", path.join(dir, "check.c")], { encoding: "utf8" });
      expect(stderr).to.equal("");
      expect(status).to.equal(0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("knows every constant and every structure of the header", () => {
    const text = readFileSync(header, "utf8");
    const known = new Set(CONSTANTS.flatMap(([prefix, values]) => Object.keys(values).map((name) => prefix + name)));
    const prefixes = CONSTANTS.map(([prefix]) => prefix);
    const defined = [...text.matchAll(/\b(CRCTL_[A-Z0-9_]+)\s*(?:=|\s\(1u)/g)].map((match) => match[1] ?? "");
    const missing = defined.filter(
      (name) => prefixes.some((prefix) => name.startsWith(prefix)) && !known.has(name) && name !== "CRCTL_IMAGE_VERSION",
    );
    expect(missing).to.deep.equal([]);
    const structs = [...text.matchAll(/^struct (crctl_\w+) \{/gm)].map((match) => match[1]);
    expect(structs).to.have.members(STRUCTS.map(([name]) => name));
  });
});
