/**
 * The one configuration of msgpack that images use: plain maps with string keys (other languages read our files), 64-bit
 * integers as bigint. These entry points of msgpackr have no native part, which would only cost time to load.
 */

import type * as msgpackr from "msgpackr";
import { Packr } from "msgpackr/pack";
import { Unpackr } from "msgpackr/unpack";

// What declares the types of these entry points imports "." and so finds nothing; they are those of the whole package.
const packer = new (Packr as typeof msgpackr.Packr)({ useRecords: false, int64AsType: "bigint", variableMapSize: true });
const unpacker = new (Unpackr as typeof msgpackr.Unpackr)({ useRecords: false, int64AsType: "bigint", mapsAsObjects: true });

export function pack(value: unknown): Uint8Array {
  return packer.pack(value);
}

/**
 * Throws if the bytes are not one whole value. Not by msgpackr's own look for an end: its message quotes the value, all of which it
 * writes out as JSON for that, with an entry for each byte of binary data.
 */
export function unpack(bytes: Uint8Array): unknown {
  let first: unknown;
  unpacker.unpackMultiple(bytes, (value: unknown, _start?: number, end?: number) => {
    if (end !== bytes.length) throw new Error(`something follows its value, which ends at byte ${end}`);
    first = value;
  });
  return first;
}
