/**
 * Which keys of which message, in a state, and of which nested shape no golden vector shows: what
 * is left to be made (scripts/make-vectors.ts), and nothing where all of it was.
 */
import { layoutOfCode } from '../../src/net/codes.ts';
import type { KeyType, ShapeName } from '../../src/net/key-types.ts';
import type { MessageKind, State } from '../../src/net/layout.ts';
import { type KeyName, keys } from '../../src/net/registry.ts';
import { type Fields, shapes } from '../../src/net/shapes.ts';
import type { Vector } from './vector.ts';

export interface Lack {
  readonly kind: MessageKind;
  readonly state: State;
  /** The keys of the body that are shown by no vector, or hold a shape with such keys. */
  readonly holders: readonly KeyName[];
  /** What is shown by none, there or deeper. */
  readonly names: readonly KeyName[];
}

type Owner = string;

const namesOf = ({ must, may }: Fields): readonly KeyName[] => [...must, ...may];

function shapeOf(name: KeyName): ShapeName | undefined {
  const type: KeyType = keys[name][1];
  if (typeof type === 'string') return undefined;
  return 'map' in type ? type.map : type.list;
}

/** What fails, fails alike: all failures are one. */
const ownerOf = (kind: MessageKind, state: State): Owner =>
  state === 'ERR' ? 'failure' : `${kind} ${state}`;

function note(shown: Map<Owner, Set<KeyName>>, owner: Owner, body: unknown): void {
  const seen = shown.get(owner) ?? new Set();
  shown.set(owner, seen);
  for (const [name, value] of Object.entries(body as object) as [KeyName, unknown][]) {
    seen.add(name);
    const shape = shapeOf(name);
    if (shape === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) note(shown, shape, one);
  }
}

/** The shapes below a key, itself first. */
function shapesBelow(name: KeyName, found: Set<ShapeName> = new Set()): ReadonlySet<ShapeName> {
  const shape = shapeOf(name);
  if (shape === undefined || found.has(shape)) return found;
  found.add(shape);
  for (const inner of namesOf(shapes[shape])) shapesBelow(inner, found);
  return found;
}

/** One a message that shows less than it may, each nested shape by the first that can hold it. */
export function lacksOf(vectors: readonly Vector[]): readonly Lack[] {
  const shown = new Map<Owner, Set<KeyName>>();
  for (const { kind, state, body } of vectors) note(shown, ownerOf(kind, state), body);
  const unseen = (owner: Owner, fields: Fields): KeyName[] =>
    namesOf(fields).filter((name) => !shown.get(owner)?.has(name));
  const left = new Map(
    (Object.keys(shapes) as ShapeName[]).map((shape) => [shape, unseen(shape, shapes[shape])]),
  );
  const lacks = new Map<Owner, Lack>();
  for (let code = 0; code < 256; code += 1) {
    const coded = layoutOfCode(code);
    if (!coded) continue;
    const { kind, state, layout } = coded;
    const owner = ownerOf(kind, state);
    if (lacks.has(owner)) continue;
    const own = new Set(unseen(owner, layout));
    const names = new Set<KeyName>(own);
    const holders = namesOf(layout).filter((name) => {
      const inner = [...shapesBelow(name)].flatMap((shape) => {
        const some = left.get(shape) ?? [];
        left.delete(shape);
        return some;
      });
      for (const one of inner) names.add(one);
      return own.has(name) || inner.length > 0;
    });
    if (names.size > 0) lacks.set(owner, { kind, state, holders, names: [...names] });
  }
  return [...lacks.values()];
}
