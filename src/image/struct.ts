/** C structures in a buffer: laid out by C's own rules from a list of fields, so that a list can be held against the header. */

export interface FieldTypes {
  u8: number;
  u32: number;
  s32: number;
  u64: bigint;
}

export type Scalar = keyof FieldTypes;

/** A scalar, an array of scalars, or a string in an array of char. */
export type Field = Scalar | readonly [Scalar, number] | readonly ["char", number];

export type Fields = Readonly<Record<string, Field>>;

type Value<F> = F extends Scalar
  ? FieldTypes[F]
  : F extends readonly ["char", number]
    ? string
    : F extends readonly [infer S, number]
      ? S extends Scalar
        ? FieldTypes[S][]
        : never
      : never;

export type StructValue<F extends Fields> = { -readonly [K in keyof F]: Value<F[K]> };

/** The type of a record of a structure. */
export type RecordOf<S> = S extends Struct<infer F> ? StructValue<F> : never;

const SIZE: Readonly<Record<Scalar | "char", number>> = { u8: 1, char: 1, u32: 4, s32: 4, u64: 8 };

export interface FieldLayout {
  name: string;
  type: Scalar | "char";
  offset: number;
  /** undefined: no array */
  count: number | undefined;
}

export class Struct<const F extends Fields> {
  readonly size: number;
  readonly layout: readonly FieldLayout[];
  /** Where the fields are, for those who want few of them quickly. */
  readonly offsets: { readonly [K in keyof F]: number };

  constructor(fields: F) {
    let end = 0;
    let align = 1;
    const layout: FieldLayout[] = [];
    for (const [name, field] of Object.entries(fields)) {
      const type: Scalar | "char" = typeof field === "string" ? field : field[0];
      const count = typeof field === "string" ? undefined : field[1];
      const size = SIZE[type];
      const offset = Math.ceil(end / size) * size;
      layout.push({ name, type, offset, count });
      end = offset + size * (count ?? 1);
      align = Math.max(align, size);
    }
    this.layout = layout;
    this.offsets = Object.fromEntries(layout.map(({ name, offset }) => [name, offset])) as { [K in keyof F]: number };
    this.size = Math.ceil(end / align) * align;
  }

  /** Reads at `offset`, where `size` bytes must be. */
  read(view: DataView, offset: number): StructValue<F> {
    const value: Record<string, unknown> = {};
    for (const field of this.layout) {
      const at = offset + field.offset;
      if (field.count === undefined) value[field.name] = scalar(view, at, field.type);
      else if (field.type === "char") value[field.name] = text(view, at, field.count);
      else {
        const { type } = field;
        const size = SIZE[type];
        value[field.name] = Array.from({ length: field.count }, (_, i) => scalar(view, at + i * size, type));
      }
    }
    return value as StructValue<F>;
  }

  encode(value: StructValue<F>): Uint8Array {
    const bytes = new Uint8Array(this.size);
    this.write(new DataView(bytes.buffer), 0, value);
    return bytes;
  }

  /** Writes all fields at `offset`; for makers of manifests. */
  write(view: DataView, offset: number, value: StructValue<F>): void {
    const fields = value as Readonly<Record<string, unknown>>;
    for (const field of this.layout) {
      const at = offset + field.offset;
      const given = fields[field.name];
      if (field.count === undefined) put(view, at, field.type, given);
      else if (field.type === "char") {
        const bytes = new TextEncoder().encode(String(given));
        for (let i = 0; i < Math.min(bytes.length, field.count - 1); i++) view.setUint8(at + i, bytes[i] ?? 0);
      } else {
        const size = SIZE[field.type];
        (given as unknown[]).forEach((element, i) => {
          put(view, at + i * size, field.type, element);
        });
      }
    }
  }
}

function scalar(view: DataView, at: number, type: Scalar | "char"): number | bigint {
  switch (type) {
    case "u64":
      return view.getBigUint64(at, true);
    case "u32":
      return view.getUint32(at, true);
    case "s32":
      return view.getInt32(at, true);
    case "u8":
    case "char":
      return view.getUint8(at);
  }
}

function put(view: DataView, at: number, type: Scalar | "char", value: unknown): void {
  switch (type) {
    case "u64":
      view.setBigUint64(at, value as bigint, true);
      return;
    case "u32":
      view.setUint32(at, value as number, true);
      return;
    case "s32":
      view.setInt32(at, value as number, true);
      return;
    case "u8":
    case "char":
      view.setUint8(at, value as number);
      return;
  }
}

/** Up to the first NUL. */
function text(view: DataView, at: number, length: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? length : end)).toString("utf8");
}
