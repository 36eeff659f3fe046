/**
 * What a key of the registry may hold, which nested maps there are, and which names no key may
 * have. Apart from the registry, so that it is nothing but its table.
 */

export type ShapeName =
  | 'report'
  | 'item'
  | 'sample'
  | 'process'
  | 'spec'
  | 'answer'
  | 'node'
  | 'task'
  | 'bundle'
  | 'operation'
  | 'event'
  | 'token'
  | 'identity'
  | 'audit'
  | 'presence'
  | 'clock'
  | 'timeServer'
  | 'timing'
  | 'schedule'
  | 'fire'
  | 'summary'
  | 'document'
  | 'kept'
  | 'change'
  | 'after'
  | 'ca'
  | 'tally'
  | 'lease'
  | 'room';

export type KeyType =
  | 'uint'
  | 'int'
  | 'float'
  | 'text'
  | 'bytes'
  | 'bool'
  | 'time'
  | 'texts'
  | 'uints'
  | 'strmap'
  | { readonly map: ShapeName }
  | { readonly list: ShapeName };

/** Names the header and the dissector generate themselves (dissector: field names). */
export const reserved = [
  'magic',
  'version',
  'code',
  'category',
  'sub',
  'state',
  'message',
  'flags',
  'length',
  'id',
  'checksum',
  'time',
  'unknown',
] as const;
