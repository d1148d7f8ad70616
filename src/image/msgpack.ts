/**
 * The one configuration of msgpack that images use: plain maps with string keys (other languages read our files), 64-bit
 * integers as bigint. The sources of msgpackr without its optional native part: nothing to load, and no eval.
 */

import { Packr, Unpackr } from "msgpackr";

const packer = new Packr({ useRecords: false, int64AsType: "bigint", variableMapSize: true });
const unpacker = new Unpackr({ useRecords: false, int64AsType: "bigint", mapsAsObjects: true });

export function pack(value: unknown): Uint8Array {
  return packer.pack(value);
}

/** Throws what msgpackr throws if the bytes are not one whole value. */
export function unpack(bytes: Uint8Array): unknown {
  return unpacker.unpack(bytes);
}
