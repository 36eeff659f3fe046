/**
 * Nested maps of the protocol by name: which keys of the registry each must and may hold. Rows
 * that people see, what a node is assigned, what it reports.
 */
import type { ShapeName } from './key-types.ts';
import type { KeyName } from './registry.ts';

export interface Fields {
  readonly must: readonly KeyName[];
  readonly may: readonly KeyName[];
}

/** Nested maps: which keys each must and may hold. */
export const shapes = {
  /**
   * What a task is. `on` is a selector's source text; absent: wherever its bundle is, or @all.
   * `secretEnv` and `secretFiles` (base64): a value is `v:` and itself, or `=` and a mark for one
   * that is known; what is written down is sealed.
   */
  spec: {
    must: ['command'],
    may: [
      ...['bundle', 'on', 'user', 'cwd', 'env', 'stopSignal', 'stopGraceMs'],
      ...['keepRuns', 'keepForMs', 'restart', 'backoffMinMs', 'backoffMaxMs', 'maxRestarts'],
      ...['memoryMaxBytes', 'cpuMax', 'pidsMax', 'nofileMax', 'logMaxBytes'],
      ...['secretEnv', 'secretFiles', 'results', 'keepBytes'],
      ...['memoryWarnBytes', 'watchdogMs', 'startTimeoutMs', 'runTimeoutMs', 'onHang'],
      ...['healthExec', 'healthTcp', 'healthHttp', 'healthEveryMs', 'healthTimeoutMs'],
      ...['healthFailures', 'healthDelayMs', 'serverLostMs', 'afterTasks', 'afterAll'],
      ...['slots', 'priority', 'preempt', 'onAgentLost', 'leaseMs'],
      ...['instances', 'spread'],
    ] as const,
  },
  /**
   * A start waits for `task`, `on` its `success`, `exit`, `running` or `ready`. Of an order also
   * since when its runs count (`at`), and the one that lived then (`run`).
   */
  after: { must: ['task', 'on'], may: ['run', 'at'] },
  /**
   * A lease of a run under its `term`: as it is asked for, and as it is granted, until `endsAt` of
   * true time. Its end is the run's, by its node's clock minus that one's error. Term 0 asks for
   * what a schedule began: a grant says its term. Answered without an end it is never granted.
   */
  lease: { must: ['run', 'term'], may: ['endsAt'] },
  /**
   * A process as everybody sees it: one run on one node (CLI contract, "process"). `collects`:
   * files will be kept of it once it has ended, and a `kept` will say which.
   */
  process: {
    must: ['run', 'processState'],
    may: [
      ...['task', 'node', 'pid', 'startedAt', 'exitedAt', 'exitCode', 'signal', 'restarts'],
      ...['bundle', 'status', 'reason', 'createdAt', 'suspendedAt', 'wish', 'operation'],
      ...['cpuMs', 'maxMemoryBytes', 'errorCode', 'containment', 'command', 'who', 'ready'],
      ...['suspendedBy', 'collects', 'preemptedBy'],
    ] as const,
  },
  /**
   * One thing a node is assigned; `entry` says what. `bundle`: content to hold. `order`: to be
   * carried out. `task` (item `task:NAME`): the definition that schedules on this node start:
   * `task`, `spec`, `revision`, `enabled`. `schedule` (item `schedule:ID`): its `plan`. A start with
   * an `errorCode` has failed already, for the reason `text`: what waits for it there shall know. A
   * stop with one is of a start that waits for what will not come, and of nothing that has begun.
   */
  item: {
    must: ['item', 'generation', 'entry'],
    may: [
      ...['bundle', 'digest', 'sizeBytes', 'order', 'operation', 'verb', 'run', 'task', 'spec'],
      ...['revision', 'env', 'arguments', 'signal', 'expiresAt', 'previous', 'at', 'who'],
      ...['stdin', 'tty', 'rows', 'columns', 'live', 'stopGraceMs', 'stopSignal'],
      ...['plan', 'enabled', 'signature', 'afterTasks', 'text', 'errorCode'],
      'term',
    ] as const,
  },
  /**
   * One thing a node reports: a process's whole row, an order's answer, a bundle's state, how far
   * a firing is (`entry` is `fire`; the newest report of a firing wins), what else happened to a
   * run (`entry` is `event`).
   */
  report: {
    must: ['seq', 'at', 'entry'],
    may: [
      ...['process', 'order', 'answer', 'bundle', 'digest', 'bundleState', 'reason', 'fire'],
      ...['eventKind', 'text', 'run', 'task', 'kept'],
    ] as const,
  },
  /**
   * Result files of a run that has ended: a tar of so many `files` by its `digest`; without one
   * there are none, and `reason` says why, unless none matched. `skipped`: what was not taken,
   * each with its reason. `last` is false while it is to come.
   */
  kept: {
    must: ['run'],
    may: [
      ...['task', 'node', 'at', 'digest', 'sizeBytes', 'files', 'skipped', 'reason', 'last'],
    ] as const,
  },
  answer: {
    must: ['ok'],
    may: ['node', 'task', 'run', 'errorCode', 'text', 'hint', 'unchanged'],
  },
  /**
   * `holds`: by what each kind of limit is held there (`cgroup2`, `cgroup1`, `rlimit`); one that
   * is missing cannot be; `uid` is the agent's own user. `room`: what its runs may ask for together.
   */
  node: {
    must: ['node', 'nodeState'],
    may: [
      ...['uid', 'labels', 'addresses', 'build', 'lastSeen', 'clock', 'running', 'createdAt'],
      ...['containment', 'boot', 'rttUs', 'outUs', 'backUs', 'wayErrorUs', 'paused'],
      ...['holds', 'room', 'draining'],
    ] as const,
  },
  /** Absent `slots`: there is no bound on them. */
  room: { must: ['cores', 'memoryBytes'], may: ['slots'] },
  /** Offsets are true time minus the node's system clock. */
  clock: {
    must: ['synchronized'],
    may: [
      ...['offsetUs', 'clockErrorUs', 'source', 'stratum', 'relative', 'reason', 'servers'],
    ] as const,
  },
  /** A source of time: what it says, where true time lies by what it proves, whether believed. */
  timeServer: {
    must: ['host', 'truechimer', 'reach'],
    may: ['address', 'offsetUs', 'delayUs', 'lowUs', 'highUs', 'stratum', 'pollMs', 'reason'],
  },
  /**
   * Of one with `instances`, `placed` are the nodes it is on, and `reason` says what is missing;
   * where one task is asked for, `places` say of each node that it matches why it is (`ok`), or not.
   */
  task: {
    must: ['task', 'spec', 'enabled', 'revision'],
    may: ['createdAt', 'at', 'who', 'placed', 'places', 'reason'],
  },
  bundle: {
    must: ['bundle', 'digest', 'sizeBytes'],
    may: ['on', 'presences', 'createdAt', 'at', 'who', 'signer'],
  },
  /** A bundle on a node: `loading`, `loaded` or `failed`. */
  presence: { must: ['node', 'bundleState'], may: ['reason', 'digest'] },
  operation: {
    must: ['operation', 'verb', 'targets', 'at', 'operationState'],
    may: ['who', 'origin', 'answers', 'nodes', 'expiresAt', 'reason', 'processes'],
  },
  /** `ok` is false where a run ended otherwise than it was asked to. */
  event: {
    must: ['seq', 'at', 'eventKind', 'text'],
    may: ['clockErrorUs', 'who', 'node', 'task', 'run', 'bundle', 'operation', 'origin', 'ok'],
  },
  token: {
    must: ['token', 'role', 'usesLeft', 'expiresAt'],
    may: [
      ...['scope', 'grants', 'node', 'labels', 'createdAt', 'createdBy', 'usedBy'],
      'identityTtlMs',
    ] as const,
  },
  /**
   * Who asked what, with which answer; `names` are the nodes it changed something for, `count`
   * how many more of its refusals are not told one by one. `hash`: SECURITY, "Audit".
   */
  audit: {
    must: ['number', 'seq', 'at', 'who', 'verb', 'hash'],
    may: [
      ...['clockErrorUs', 'by', 'origin', 'targets', 'names', 'errorCode', 'text', 'count'],
    ] as const,
  },
  /**
   * The fleet's CA: `stable`, or `overlap` while the next one is told to everybody. `holders` have
   * what they shall trust, `lackers` do not: `node NAME`, or a role and a name.
   */
  ca: { must: ['stage', 'pin'], may: ['nextPin', 'at', 'holders', 'lackers'] },
  /** How often the limit or fault `text` was met since the server started. */
  tally: { must: ['text', 'count'], may: [] },
  /** Who may come in. `spki` is the hash of its key; `expiresAt` absent: it does not lapse. */
  identity: {
    must: ['identity', 'role', 'spki', 'createdAt', 'revoked'],
    may: ['scope', 'grants', 'createdBy', 'lastSeen', 'expiresAt', 'origin'],
  },
  /**
   * A reading of statistics; without `run` it is the node's own. How the run's launch before this
   * one ended: `lastExitCode` or `lastSignal`.
   */
  sample: {
    must: ['at'],
    may: [
      ...['node', 'task', 'run', 'cpuPercent', 'memoryBytes', 'memoryKind', 'ioReadBytes'],
      ...['ioWriteBytes', 'threads', 'openFiles', 'uptimeMs', 'load1', 'memoryTotalBytes'],
      ...['diskFreeBytes', 'restarts', 'lastExitCode', 'lastSignal'],
    ] as const,
  },
  /**
   * When: exactly one of `at`, `inUs` (from its acceptance), `everyUs` and `cron`. `fromUs` goes
   * with `everyUs`, `tz` with `cron` (default UTC; `local`: the node's). `schedule` is its name.
   */
  timing: {
    must: [],
    may: [
      ...['at', 'inUs', 'everyUs', 'fromUs', 'cron', 'tz', 'untilUs', 'count', 'missed'],
      ...['overlap', 'maxClockErrorUs', 'splayUs', 'schedule'],
    ] as const,
  },
  /**
   * An action bound to instants: one of `at`, `everyUs` with `fromUs` (instants at fromUs +
   * n × everyUs, n ≥ 1) and `cron` with `tz`; none after `untilUs`, nor beyond the first `count`
   * after `sinceUs`, when the server accepted it. `revision` grows with each change. As a node is
   * assigned it, `paused` speaks of that node; as people see it, of the whole, and `pausedOn`
   * names further nodes. `draining`: the node is being drained, and its starts are skipped.
   */
  schedule: {
    must: ['schedule', 'action', 'sinceUs', 'revision', 'missed', 'overlap'],
    may: [
      ...['task', 'at', 'everyUs', 'fromUs', 'cron', 'tz', 'untilUs', 'count'],
      ...['maxClockErrorUs', 'splayUs', 'paused', 'on', 'env', 'arguments', 'signal'],
      ...['bundle', 'digest', 'sizeBytes', 'force', 'who', 'createdAt', 'next', 'pausedOn'],
      ...['signature', 'draining'],
    ] as const,
  },
  /**
   * One planned instant of a schedule on one node. `result` is `ok`, `skipped`, `failed` or
   * `lost`; none yet while it is claimed or happening. `clockErrorUs` absent: unknown.
   */
  fire: {
    must: ['schedule', 'action', 'plannedUs'],
    may: [
      ...['task', 'bundle', 'node', 'run', 'firedUs', 'lateUs', 'clockErrorUs', 'result'],
      ...['reason'],
    ] as const,
  },
  /**
   * Firings of one schedule in figures. Skew: between the first and the last node that fired at
   * one instant; `skewErrorUs` is the largest sum of the two clocks' errors, absent if unknown.
   */
  summary: {
    must: ['schedule', 'action', 'count', 'okCount', 'skippedCount', 'failedCount', 'lostCount'],
    may: [
      ...['task', 'bundle', 'lateP50Us', 'lateP95Us', 'lateP99Us', 'lateMaxUs'],
      ...['skewP50Us', 'skewP99Us', 'skewMaxUs', 'skewErrorUs'],
    ] as const,
  },
  /**
   * One document of a manifest, by `entry`. `task`: its `spec`; `enabled` absent leaves it as it
   * is; `digest` is what its bundle must have. `schedule`: an `action` of a `task` by `timing`,
   * which has its name; `paused` absent leaves it as it is. `node`: all its `labels`.
   */
  document: {
    must: ['entry'],
    may: [
      ...['task', 'spec', 'enabled', 'digest', 'timing', 'action', 'on', 'env', 'arguments'],
      ...['signal', 'paused', 'node', 'labels'],
    ] as const,
  },
  /**
   * What a manifest changes (`mode`: `create`, `change` or `remove`) of a thing by `entry`:
   * `names` are the keys that differ, `affected` processes that go on as they were, `TASK@NODE`.
   * `places` that are not ok: what leaves its node. Of a dry run also what stands there now: `spec`
   * and `enabled`, `plan`, or `labels`, and where it would be placed (as of a task).
   */
  change: {
    must: ['entry', 'mode'],
    may: [
      ...['task', 'schedule', 'node', 'names', 'revision', 'affected', 'running'],
      ...['spec', 'enabled', 'plan', 'labels', 'placed', 'places', 'reason'],
    ] as const,
  },
} as const satisfies Record<ShapeName, Fields>;
