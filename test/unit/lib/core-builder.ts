/** Heads of core files as the kernel module makes them, from records. */

import * as layout from "../../../src/image/layout.js";
import type { Fields, Struct, StructValue } from "../../../src/image/struct.js";

/** A record of which only some fields are told; the others are zero. */
export type Partial0<F extends Fields> = { [K in keyof F]?: StructValue<F>[K] };

export function record<F extends Fields>(struct: Struct<F>, fields: Partial0<F> = {}): Uint8Array {
  const zero = struct.read(new DataView(new ArrayBuffer(struct.size)), 0);
  const bytes = new Uint8Array(struct.size);
  struct.write(new DataView(bytes.buffer), 0, { ...zero, ...fields });
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export function note(name: string, type: number, desc: Uint8Array): Uint8Array {
  const nameBytes = Buffer.from(`${name}\0`);
  const pad = (length: number): Uint8Array => new Uint8Array((4 - (length % 4)) % 4);
  const head = new Uint8Array(12);
  const view = new DataView(head.buffer);
  view.setUint32(0, nameBytes.length, true);
  view.setUint32(4, desc.length, true);
  view.setUint32(8, type, true);
  return concat(head, nameBytes, pad(nameBytes.length), desc, pad(desc.length));
}

/** A "CRCTL" note. */
export function records(
  type: number,
  list: readonly Uint8Array[],
  extra: Uint8Array = new Uint8Array(),
  version = layout.FORMAT_VERSION,
): Uint8Array {
  const head = record(layout.NoteHead, {
    version,
    rec_size: list[0]?.length ?? 0,
    count: list.length,
    extra_size: extra.length,
  });
  return note(layout.NOTE_NAME, type, concat(head, ...list, extra));
}

export function core(notes: readonly Uint8Array[], loads: readonly { vaddr: bigint; size: bigint }[] = []): Uint8Array {
  const phnum = loads.length + 1;
  const head = new Uint8Array(64 + 64 + 56 * phnum);
  const view = new DataView(head.buffer);
  const body = concat(...notes);
  view.setUint32(0, 0x7f454c46);
  view.setUint8(4, 2);
  view.setUint8(5, 1);
  view.setUint8(6, 1);
  view.setUint16(16, 4, true);
  view.setUint16(18, 62, true);
  view.setBigUint64(32, 128n, true);
  view.setBigUint64(40, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, Math.min(phnum, 0xffff), true);
  view.setUint32(64 + 44, phnum, true);
  view.setUint32(128, 4, true);
  view.setBigUint64(128 + 8, BigInt(head.length), true);
  view.setBigUint64(128 + 32, BigInt(body.length), true);
  let offset = BigInt(Math.ceil((head.length + body.length) / 4096) * 4096);
  loads.forEach(({ vaddr, size }, i) => {
    const at = 128 + 56 * (i + 1);
    view.setUint32(at, 1, true);
    view.setBigUint64(at + 8, offset, true);
    view.setBigUint64(at + 16, vaddr, true);
    view.setBigUint64(at + 32, size, true);
    view.setBigUint64(at + 40, size, true);
    offset += size;
  });
  return concat(head, body);
}
