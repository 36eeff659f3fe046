/**
 * Fields: one row says under which option and which key of a manifest a value stands, in which
 * form, and which keys of the protocol hold it. Pure, and blind to what the rows are of.
 */
import type { Form, Json } from './forms.ts';

export interface Field<Key extends string> {
  readonly option: `--${string}`;
  /** The line of `--help`. */
  readonly about: string;
  /** Its place in a manifest: `keepRuns`, or `stop.grace` for a key of a map. */
  readonly path: string;
  readonly form: Form;
  /** Keys of the protocol, one for each value of the form. */
  readonly keys: readonly Key[];
  /** What holds where nothing is said, by the same keys; for `show`. */
  readonly otherwise?: readonly unknown[];
}

type Values = Readonly<Record<string, unknown>>;
type AnyField = Field<string>;

/** What stands there; undefined where one of its keys is missing and has no default. */
function valuesOf(
  field: AnyField,
  from: Values,
  otherwise: readonly unknown[] = [],
): readonly unknown[] | undefined {
  const values = field.keys.map((key, index) => from[key] ?? otherwise[index]);
  return values.includes(undefined) ? undefined : values;
}

/** What was said, nothing else: `undefined` where it was not. */
export function jsonOf(field: AnyField, from: Values): Json | undefined {
  if (field.keys.every((key) => from[key] === undefined)) return undefined;
  const values = valuesOf(field, from, field.otherwise);
  return values && field.form.toJson(values);
}

/** What holds: what was said, else the default, else null. */
export function effectiveJson(field: AnyField, from: Values): Json | null {
  const values = valuesOf(field, from, field.otherwise);
  return values ? field.form.toJson(values) : null;
}

/** Puts a value at its place among the keys of a manifest. */
export function put(into: Record<string, unknown>, path: string, value: unknown): void {
  const [first = '', second] = path.split('.');
  if (second === undefined) into[first] = value;
  else {
    const there = into[first];
    // What was written short, before there was more to say.
    const map = typeof there === 'string' ? { select: there } : (there as object | undefined);
    into[first] = { ...map, [second]: value };
  }
}

const keyed = ({ keys }: AnyField, values: readonly unknown[]): Record<string, unknown> =>
  Object.fromEntries(keys.map((key, index) => [key, values[index]] as const));

/**
 * What the values of its option say. An empty one takes the field out: its keys are there, and
 * undefined. Nothing given, nothing said.
 */
export function fromWords(
  field: AnyField,
  words: readonly string[],
  old: Values = {},
): Record<string, unknown> {
  if (words.length === 0) return {};
  if (words.at(-1) === '') return keyed(field, []);
  const before = field.keys.map((key) => old[key]);
  return keyed(field, field.form.fromWords(words, field.option, before));
}

export const fromJson = (field: AnyField, value: Json): Record<string, unknown> =>
  keyed(field, field.form.fromJson(value, field.path));
