/** Keys of manifests and results: a part of the registry (registry.ts), apart for its length. */
import type { KeyType } from './key-types.ts';

export const workKeys = {
  // manifests
  documents: [350, 'bytes'],
  dryRun: [351, 'bool'],
  ifRevision: [352, 'uint'],
  prune: [353, 'bool'],
  changes: [354, { list: 'change' }],
  affected: [355, 'texts'],
} as const satisfies Record<string, readonly [number, KeyType]>;
