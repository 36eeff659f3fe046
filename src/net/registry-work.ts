/** Keys of tasks, manifests, results, dependencies, room: a part of the registry. */
import type { KeyType } from './key-types.ts';

export const workKeys = {
  // tasks
  serverLostMs: [300, 'uint'],

  // manifests
  documents: [350, 'bytes'],
  dryRun: [351, 'bool'],
  ifRevision: [352, 'uint'],
  prune: [353, 'bool'],
  changes: [354, { list: 'change' }],
  affected: [355, 'texts'],

  // results
  kept: [356, { map: 'kept' }],
  keeps: [357, { list: 'kept' }],
  results: [358, 'texts'],
  keepBytes: [359, 'uint'],
  collects: [360, 'bool'],
  files: [361, 'uint'],
  skipped: [362, 'texts'],

  // dependencies
  afterTasks: [390, { list: 'after' }],
  afterAll: [391, 'bool'],

  // leases
  onAgentLost: [430, 'text'],
  leaseMs: [431, 'uint'],
  term: [432, 'uint'],
  leases: [433, { list: 'lease' }],
  endsAt: [434, 'time'],

  // placement
  draining: [410, 'bool'],
  instances: [411, 'uint'],
  spread: [412, 'text'],
  placed: [413, 'texts'],
  places: [414, { list: 'answer' }],

  // room
  room: [420, { map: 'room' }],
  slots: [421, 'uint'],
  cores: [422, 'float'],
  priority: [423, 'uint'],
  preempt: [424, 'text'],
  preemptedBy: [425, 'text'],

  // the CA's rotation
  trusts: [440, 'text'],
  stage: [441, 'text'],
  ca: [442, { map: 'ca' }],
  pin: [443, 'text'],
  nextPin: [444, 'text'],
  holders: [445, 'texts'],
  lackers: [446, 'texts'],

  // limits that were met
  tallies: [450, { list: 'tally' }],
} as const satisfies Record<string, readonly [number, KeyType]>;
