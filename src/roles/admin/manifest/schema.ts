/**
 * The schema of manifests, made of the tables: what a document is checked against once its short
 * forms are written out, and the JSON Schema that editors complete by, short forms included.
 */
import * as z from 'zod/mini';
import { type Key, type Kind, keysOf, kinds, shortForms } from './kinds.ts';

type Maps = Record<string, Record<string, z.ZodMiniType>>;

function typeOf({ shaped }: Key): z.ZodMiniType {
  switch (shaped.type) {
    case 'string':
      return shaped.pattern ? z.string().check(z.regex(shaped.pattern)) : z.string();
    case 'number': {
      const base = shaped.whole ? z.int() : z.number();
      return base.check(z.minimum(shaped.least));
    }
    case 'word':
      return z.enum(shaped.words as [string, ...string[]]);
    case 'size':
    case 'signal':
      return z.union([z.string(), z.int().check(z.minimum(0))]);
    case 'texts':
      return z.array(z.string());
    case 'map':
      return z.record(z.string(), z.string());
    case 'preempt':
      return z.union([z.boolean(), z.literal('kill')]);
    case 'after':
      return z.array(z.strictObject({ task: z.string(), on: z.optional(z.string()) }));
    default:
      return z.boolean();
  }
}

/** `short`: maps with a short form may be written so. */
function kindSchema(kind: Kind, short: boolean): z.ZodMiniType {
  const shape: Record<string, z.ZodMiniType> = { kind: z.literal(kind) };
  const maps: Maps = {};
  for (const key of keysOf(kind)) {
    const [first = '', second] = key.path.split('.');
    const told = typeOf(key).check(z.describe(key.shaped.says));
    const type = key.required ? told : z.optional(told);
    if (second === undefined) shape[first] = type;
    else maps[first] = { ...maps[first], [second]: type };
  }
  for (const [name, keys] of Object.entries(maps)) {
    const map = z.strictObject(keys);
    const value = keys[shortForms[name] ?? ''];
    const whole = short && value ? z.union([unwrapped(value), map]) : map;
    shape[name] = z.optional(whole);
  }
  return z.strictObject(shape);
}

const unwrapped = (type: z.ZodMiniType): z.ZodMiniType =>
  type instanceof z.ZodMiniOptional ? (type._zod.def.innerType as z.ZodMiniType) : type;

const checked = new Map<Kind, z.ZodMiniType>();

export interface Issue {
  readonly path: readonly (string | number)[];
  /** Keys that are none of that map's. */
  readonly unknown: readonly string[];
}

/** What is wrong with a document whose short forms are written out. */
export function issuesOf(kind: Kind, value: unknown): readonly Issue[] {
  const schema = checked.get(kind) ?? kindSchema(kind, false);
  checked.set(kind, schema);
  const { error } = schema.safeParse(value);
  return (error?.issues ?? []).map((issue) => ({
    path: issue.path as (string | number)[],
    unknown: issue.code === 'unrecognized_keys' ? issue.keys : [],
  }));
}

/** Draft 2020-12: one document, or a list of them. */
export function jsonSchema(): unknown {
  const documents = kinds.map((kind) => kindSchema(kind, true));
  const one = z.union(documents as [z.ZodMiniType, ...z.ZodMiniType[]]);
  const schema = z.toJSONSchema(z.union([one, z.array(one)]));
  return { title: 'LOTC manifest', ...schema };
}
