/**
 * The TypeScript types of all bodies, derived from the registry, the shapes and the layout table:
 * a field that is misspelt, missing or of the wrong type does not compile.
 */

import type { KeyType, ShapeName } from './key-types.ts';
import type { failure, layouts, MessageKind } from './layout.ts';
import type { KeyName, keys } from './registry.ts';
import type { Fields, shapes } from './shapes.ts';

type Scalar<T> = T extends 'uint' | 'int' | 'float' | 'time'
  ? number
  : T extends 'text'
    ? string
    : T extends 'bytes'
      ? Uint8Array
      : T extends 'bool'
        ? boolean
        : T extends 'texts'
          ? readonly string[]
          : T extends 'uints'
            ? readonly number[]
            : T extends 'strmap'
              ? Readonly<Record<string, string>>
              : never;

type Value<T extends KeyType> = T extends { readonly map: infer S extends ShapeName }
  ? Shape<S>
  : T extends { readonly list: infer S extends ShapeName }
    ? readonly Shape<S>[]
    : Scalar<T>;

type Typed<F extends Fields> = {
  readonly [K in F['must'][number]]: Value<(typeof keys)[K][1]>;
} & {
  readonly [K in F['may'][number]]?: Value<(typeof keys)[K][1]> | undefined;
};

/** A nested map by its shape's name, for instance `Shape<'spec'>`. */
export type Shape<S extends ShapeName> = Typed<(typeof shapes)[S]>;

/** The body of a message in one of its states. */
export type Req<K extends MessageKind> = Typed<(typeof layouts)[K]['req']>;
export type Ack<K extends MessageKind> = (typeof layouts)[K] extends { ack: infer F extends Fields }
  ? Typed<F>
  : never;
export type Ok<K extends MessageKind> = (typeof layouts)[K] extends { ok: infer F extends Fields }
  ? Typed<F>
  : never;
export type Failure = Typed<typeof failure>;
/** Any map out of the registry's keys. */
export type AnyBody = { readonly [K in KeyName]?: Value<(typeof keys)[K][1]> | undefined };
