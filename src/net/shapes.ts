/**
 * Nested maps of the protocol by name: which keys of the registry each must and may hold. Rows
 * that people see, what a node is assigned, what it reports.
 */
import type { KeyName, ShapeName } from './registry.ts';

export interface Fields {
  readonly must: readonly KeyName[];
  readonly may: readonly KeyName[];
}

/** Nested maps: which keys each must and may hold. */
export const shapes = {
  /** What a task is. `on` is a selector's source text; absent: wherever its bundle is, or @all. */
  spec: {
    must: ['command'],
    may: [
      ...['bundle', 'on', 'user', 'cwd', 'env', 'stopSignal', 'stopGraceMs'],
      ...['keepRuns', 'keepForMs'],
    ] as const,
  },
  /** A process as everybody sees it: one run on one node (CLI contract, "process"). */
  process: {
    must: ['run', 'processState'],
    may: [
      ...['task', 'node', 'pid', 'startedAt', 'exitedAt', 'exitCode', 'signal', 'restarts'],
      ...['bundle', 'status', 'reason', 'createdAt', 'suspendedAt', 'wish', 'operation'],
      ...['cpuMs', 'maxMemoryBytes', 'errorCode', 'containment', 'command', 'who'],
    ] as const,
  },
  /** One thing a node is assigned: a bundle to hold or an order to carry out (`entry` says). */
  item: {
    must: ['item', 'generation', 'entry'],
    may: [
      ...['bundle', 'digest', 'sizeBytes', 'order', 'operation', 'verb', 'run', 'task', 'spec'],
      ...['revision', 'env', 'arguments', 'signal', 'expiresAt', 'previous', 'at', 'who'],
      ...['stdin', 'tty', 'rows', 'columns', 'live', 'stopGraceMs', 'stopSignal'],
    ] as const,
  },
  /** One thing a node reports: a process's whole row, an order's answer, a bundle's state. */
  report: {
    must: ['seq', 'at', 'entry'],
    may: ['process', 'order', 'answer', 'bundle', 'digest', 'bundleState', 'reason'],
  },
  answer: {
    must: ['ok'],
    may: ['node', 'task', 'run', 'errorCode', 'text', 'hint', 'unchanged'],
  },
  node: {
    must: ['node', 'nodeState'],
    may: [
      ...['uid', 'labels', 'addresses', 'build', 'lastSeen', 'clock', 'running', 'createdAt'],
      ...['containment', 'boot', 'rttUs'],
    ] as const,
  },
  clock: { must: ['synchronized'], may: ['offsetUs', 'clockErrorUs', 'source', 'stratum'] },
  task: {
    must: ['task', 'spec', 'enabled', 'revision'],
    may: ['createdAt', 'at', 'who'],
  },
  bundle: {
    must: ['bundle', 'digest', 'sizeBytes'],
    may: ['on', 'presences', 'createdAt', 'at', 'who'],
  },
  /** A bundle on a node: `loading`, `loaded` or `failed`. */
  presence: { must: ['node', 'bundleState'], may: ['reason', 'digest'] },
  operation: {
    must: ['operation', 'verb', 'targets', 'at', 'operationState'],
    may: ['who', 'origin', 'answers', 'nodes', 'expiresAt', 'reason', 'processes'],
  },
  event: {
    must: ['seq', 'at', 'eventKind', 'text'],
    may: ['clockErrorUs', 'who', 'node', 'task', 'run', 'bundle', 'operation', 'origin'],
  },
  token: {
    must: ['token', 'role', 'usesLeft', 'expiresAt'],
    may: ['scope', 'node', 'labels', 'createdAt', 'createdBy', 'usedBy'],
  },
  /** A reading of statistics; without `run` it is the node's own. */
  sample: {
    must: ['at'],
    may: [
      ...['node', 'task', 'run', 'cpuPercent', 'memoryBytes', 'memoryKind', 'ioReadBytes'],
      ...['ioWriteBytes', 'threads', 'openFiles', 'uptimeMs', 'load1', 'memoryTotalBytes'],
      ...['diskFreeBytes'],
    ] as const,
  },
} as const satisfies Record<ShapeName, Fields>;
