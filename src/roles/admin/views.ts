/**
 * The objects of the CLI contract as people and scripts see them: the fixed fields of each, its
 * name, and its columns. Pure. In JSON every fixed field is there (absent values are null), times
 * are RFC 3339 UTC with microseconds, sizes bytes, durations numbers with the unit in the name.
 */
import type { Shape } from '../../net/layout.ts';
import { askOf } from '../../supervisor/room.ts';
import { age, ms, orNull, pairs, second, size, text, time, type View } from './cells.ts';
import { pingView, syncView, timeServerView } from './clock-views.ts';
import { effectiveJson, put } from './fields.ts';
import { heldLimits, roomJson, roomText } from './limit-views.ts';
import { placeOf } from './outcome.ts';
import { eventView, operationView, statsView, tokenView } from './records.ts';
import { taskFields } from './task-fields.ts';

const nodeView: View<Shape<'node'>> = {
  name: (row) => row.node,
  json: (row) => ({
    name: row.node,
    state: row.nodeState,
    labels: row.labels ?? {},
    addresses: row.addresses ?? [],
    version: orNull(row.build),
    lastSeen: time(row.lastSeen),
    clock: {
      synchronized: row.clock?.synchronized ?? false,
      offsetUs: orNull(row.clock?.offsetUs),
      errorUs: orNull(row.clock?.clockErrorUs),
      source: orNull(row.clock?.source),
      stratum: orNull(row.clock?.stratum),
    },
    processes: row.running ?? 0,
    uid: orNull(row.uid),
    containment: orNull(row.containment),
    limits: orNull(heldLimits(row)),
    room: orNull(roomJson(row)),
    createdAt: time(row.createdAt),
    schedulesPaused: row.paused ?? false,
    draining: row.draining ?? false,
  }),
  columns: [
    { title: 'NAME', text: (row) => row.node },
    { title: 'STATE', text: (row) => row.nodeState },
    { title: 'PROCESSES', right: true, text: (row) => text(row.running ?? 0) },
    { title: 'LABELS', text: (row) => pairs(row.labels) },
    { title: 'SEEN', right: true, text: (row, now) => age(row.lastSeen, now) },
    { title: 'VERSION', wide: true, text: (row) => text(row.build) },
    { title: 'ADDRESSES', wide: true, text: (row) => (row.addresses ?? []).join(',') },
    { title: 'HELD BY', wide: true, text: (row) => text(row.containment) },
    { title: 'LIMITS', wide: true, text: (row) => pairs(heldLimits(row)) },
    { title: 'ROOM', wide: true, text: (row) => roomText(row) },
    { title: 'CLOCK ERROR', wide: true, right: true, text: (row) => ms(row.clock?.clockErrorUs) },
  ],
};

const readyWord = (ready: boolean | undefined): string =>
  ready === undefined ? '' : ready ? 'yes' : 'no';

/** Who, or the want of room. */
const suspenderOf = ({ processState, preemptedBy, suspendedBy }: Shape<'process'>) =>
  suspendedBy ??
  (processState === 'suspended' && preemptedBy !== undefined ? 'preemption' : undefined);

/** Why it is as it is, and what it says of itself. */
function remarks(row: Shape<'process'>): readonly string[] {
  const { reason, status, suspendedBy } = row;
  const by = suspendedBy === undefined ? undefined : `suspended by ${suspendedBy}`;
  return [by, reason, status].filter((one) => one !== undefined && one !== '') as string[];
}

const processView: View<Shape<'process'>> = {
  name: (row) => (row.task === undefined ? row.run : placeOf(row)),
  json: (row) => ({
    run: row.run,
    task: orNull(row.task),
    node: orNull(row.node),
    state: row.processState,
    pid: orNull(row.pid),
    startedAt: time(row.startedAt),
    exitedAt: time(row.exitedAt),
    exitCode: orNull(row.exitCode),
    signal: orNull(row.signal),
    restarts: row.restarts ?? 0,
    bundle: orNull(row.bundle),
    status: orNull(row.status),
    reason: orNull(row.reason),
    command: orNull(row.command),
    createdAt: time(row.createdAt),
    ready: orNull(row.ready),
    suspendedAt: time(row.suspendedAt),
    suspendedBy: orNull(suspenderOf(row)),
    preemptedBy: orNull(row.preemptedBy),
    cpuMs: orNull(row.cpuMs),
    maxMemoryBytes: orNull(row.maxMemoryBytes),
    containment: orNull(row.containment),
  }),
  columns: [
    { title: 'TASK', text: (row) => row.task ?? '' },
    { title: 'NODE', text: (row) => text(row.node) },
    { title: 'RUN', text: (row) => row.run },
    { title: 'STATE', text: (row) => row.processState },
    { title: 'PID', right: true, text: (row) => text(row.pid) },
    { title: 'STARTED', right: true, text: (row, now) => age(row.startedAt, now) },
    { title: 'END', text: (row) => row.signal ?? text(row.exitCode) },
    { title: 'RESTARTS', wide: true, right: true, text: (row) => text(row.restarts ?? 0) },
    { title: 'BUNDLE', wide: true, text: (row) => text(row.bundle) },
    { title: 'HELD BY', wide: true, text: (row) => text(row.containment) },
    { title: 'CREATED', wide: true, text: (row) => second(row.createdAt) },
    { title: 'COMMAND', wide: true, text: (row) => (row.command ?? []).join(' ') },
    { title: 'READY', wide: true, text: (row) => readyWord(row.ready) },
    { title: 'REASON', text: (row) => remarks(row).join('; ') },
  ],
};

const bundleView: View<Shape<'bundle'>> = {
  name: (row) => row.bundle,
  json: (row) => ({
    name: row.bundle,
    digest: row.digest,
    size: row.sizeBytes,
    nodes: (row.presences ?? []).map(({ bundleState, node, reason }) => {
      return { node, state: bundleState, reason: orNull(reason) };
    }),
    on: orNull(row.on),
    createdAt: time(row.createdAt),
    signedBy: orNull(row.signer),
  }),
  columns: [
    { title: 'NAME', text: (row) => row.bundle },
    { title: 'SIZE', right: true, text: (row) => size(row.sizeBytes) },
    { title: 'DIGEST', text: (row) => row.digest.slice(0, 19) },
    {
      title: 'LOADED',
      right: true,
      text: ({ presences = [] }) =>
        `${presences.filter((one) => one.bundleState === 'loaded').length}/${presences.length}`,
    },
    {
      title: 'NODES',
      wide: true,
      text: ({ presences = [] }) =>
        presences.map(({ bundleState, node }) => `${node}:${bundleState}`).join(','),
    },
    { title: 'ON', wide: true, text: (row) => text(row.on) },
    { title: 'SIGNED BY', wide: true, text: (row) => (row.signer ?? '').slice(0, 16) },
    { title: 'CREATED', text: (row) => second(row.createdAt) },
  ],
};

/** Every key of its manifest, with what holds where nothing was said. */
function taskJson(row: Shape<'task'>): Record<string, unknown> {
  const { enabled, revision, spec, task } = row;
  const json: Record<string, unknown> = { name: task, bundle: null, command: spec.command };
  for (const field of taskFields) {
    const isOfMap = field.path.startsWith('on.') && spec.instances === undefined;
    if (!isOfMap) put(json, field.path, effectiveJson(field, spec));
  }
  json['slots'] = askOf(spec).slots;
  // Marks that say which, never what.
  const secrets = { ...spec.secretEnv, ...spec.secretFiles };
  if (Object.keys(secrets).length > 0) json['secrets'] = secrets;
  return { ...json, ...placesJson(row), enabled, revision };
}

/** Where a task with `instances` is, and of each node why, as far as it was asked for. */
export function placesJson(row: Pick<Shape<'task'>, 'placed' | 'places' | 'reason'>): object {
  const { placed, places, reason } = row;
  if (!placed) return {};
  const each = places?.map(({ node, ok, text: why }) => ({ node, chosen: ok, reason: why }));
  return { placed, missing: orNull(reason), ...(each ? { places: each } : {}) };
}

const placedText = ({ placed, spec }: Shape<'task'>): string =>
  placed ? `${placed.length}/${spec.instances ?? 0}` : '';

const taskView: View<Shape<'task'>> = {
  name: (row) => row.task,
  json: taskJson,
  columns: [
    { title: 'NAME', text: (row) => row.task },
    { title: 'ENABLED', text: (row) => (row.enabled ? 'yes' : 'no') },
    { title: 'BUNDLE', text: (row) => text(row.spec.bundle) },
    { title: 'ON', text: (row) => text(row.spec.on) },
    { title: 'PLACED', text: placedText },
    { title: 'REVISION', right: true, text: (row) => text(row.revision) },
    { title: 'USER', wide: true, text: (row) => text(row.spec.user) },
    { title: 'CHANGED', wide: true, text: (row) => second(row.at) },
    { title: 'COMMAND', text: (row) => row.spec.command.join(' ') },
  ],
};

export const views = {
  node: nodeView,
  process: processView,
  bundle: bundleView,
  task: taskView,
  operation: operationView,
  stats: statsView,
  event: eventView,
  token: tokenView,
  ping: pingView,
  sync: syncView,
  timeServer: timeServerView,
};
