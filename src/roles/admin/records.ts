/** Views (views.ts) of what happens: operations, readings, events, tokens, round trips. Pure. */
import { formatInstant } from '../../base/clock.ts';
import { roughDurationMs } from '../../base/duration.ts';
import { errorCodeOf } from '../../base/errors.ts';
import { eventFields } from '../../net/event.ts';
import type { Shape } from '../../net/layout.ts';
import { age, named, orNull, pairs, second, size, text, time, type View } from './cells.ts';
import { placeOf } from './outcome.ts';

export function answerJson({ errorCode, hint, node, ok, run, task, ...rest }: Shape<'answer'>) {
  return {
    node: orNull(node),
    ok,
    code: errorCode === undefined ? null : errorCodeOf(errorCode),
    message: orNull(rest.text),
    task: orNull(task),
    run: orNull(run),
    hint: orNull(hint),
    unchanged: rest.unchanged ?? false,
  };
}

export const operationView: View<Shape<'operation'>> = {
  name: (row) => row.operation,
  json: (row) => ({
    id: row.operation,
    verb: row.verb,
    targets: row.targets,
    by: orNull(row.who),
    at: time(row.at),
    state: row.operationState,
    answers: (row.answers ?? []).map(answerJson),
    waitsFor: (row.nodes ?? []).map(({ node }) => node),
  }),
  columns: [
    { title: 'ID', text: (row) => row.operation },
    { title: 'VERB', text: (row) => row.verb },
    { title: 'TARGETS', text: (row) => named(row.targets) },
    { title: 'STATE', text: (row) => row.operationState },
    {
      title: 'ANSWERS',
      text: ({ answers = [] }) => `${answers.filter(({ ok }) => ok).length}/${answers.length}`,
    },
    { title: 'WAITS FOR', text: ({ nodes = [] }) => named(nodes.map(({ node }) => node)) },
    { title: 'BY', wide: true, text: (row) => text(row.who) },
    { title: 'AT', text: (row) => second(row.at) },
  ],
};

export const statsView: View<Shape<'sample'>> = {
  name: (row) => placeOf(row),
  json: (row, nowUs) => ({
    node: orNull(row.node),
    task: orNull(row.task),
    run: orNull(row.run),
    at: time(row.at),
    ageMs: Math.max(0, Math.round((nowUs - row.at) / 1000)),
    cpuPercent: orNull(row.cpuPercent),
    memoryBytes: orNull(row.memoryBytes),
    memoryKind: orNull(row.memoryKind),
    ioReadBytes: orNull(row.ioReadBytes),
    ioWriteBytes: orNull(row.ioWriteBytes),
    threads: orNull(row.threads),
    openFiles: orNull(row.openFiles),
    uptimeMs: orNull(row.uptimeMs),
    load1: orNull(row.load1),
    memoryTotalBytes: orNull(row.memoryTotalBytes),
    diskFreeBytes: orNull(row.diskFreeBytes),
    restarts: orNull(row.restarts),
    lastExitCode: orNull(row.lastExitCode),
    lastSignal: orNull(row.lastSignal),
  }),
  columns: [
    { title: 'NODE', text: (row) => text(row.node) },
    { title: 'TASK', text: (row) => row.task ?? '' },
    { title: 'RUN', text: (row) => text(row.run) },
    { title: 'CPU %', right: true, text: (row) => row.cpuPercent?.toFixed(1) ?? '' },
    { title: 'MEMORY', right: true, text: (row) => size(row.memoryBytes) },
    { title: 'KIND', wide: true, text: (row) => text(row.memoryKind) },
    { title: 'READ', right: true, text: (row) => size(row.ioReadBytes) },
    { title: 'WRITTEN', right: true, text: (row) => size(row.ioWriteBytes) },
    { title: 'THREADS', right: true, text: (row) => text(row.threads) },
    { title: 'FILES', right: true, text: (row) => text(row.openFiles) },
    { title: 'LOAD', right: true, text: (row) => row.load1?.toFixed(2) ?? '' },
    { title: 'RESTARTS', wide: true, right: true, text: (row) => text(row.restarts) },
    { title: 'LAST END', wide: true, text: (row) => row.lastSignal ?? text(row.lastExitCode) },
    { title: 'DISK FREE', wide: true, right: true, text: (row) => size(row.diskFreeBytes) },
    {
      title: 'UP',
      right: true,
      text: ({ uptimeMs }) => (uptimeMs === undefined ? '' : roughDurationMs(uptimeMs)),
    },
    { title: 'AGE', right: true, text: (row, now) => age(row.at, now) },
  ],
};

export const eventView: View<Shape<'event'>> = {
  name: (row) => text(row.seq),
  json: eventFields,
  columns: [
    { title: 'SEQ', right: true, text: (row) => text(row.seq) },
    { title: 'AT', text: (row) => formatInstant(row.at) },
    { title: 'KIND', text: (row) => row.eventKind },
    { title: 'WHO', text: (row) => text(row.who) },
    { title: 'OPERATION', wide: true, text: (row) => text(row.operation) },
    { title: 'FROM', wide: true, text: (row) => text(row.origin) },
    { title: 'WHAT', text: (row) => row.text },
  ],
};

export const tokenView: View<Shape<'token'>> = {
  name: (row) => row.token,
  json: (row) => ({
    id: row.token,
    role: row.role,
    scope: orNull(row.scope),
    grants: row.grants ?? [],
    usesLeft: row.usesLeft,
    expiresAt: time(row.expiresAt),
    name: orNull(row.node),
    labels: row.labels ?? {},
    createdAt: time(row.createdAt),
    createdBy: orNull(row.createdBy),
    usedBy: orNull(row.usedBy),
  }),
  columns: [
    { title: 'ID', text: (row) => row.token },
    { title: 'ROLE', text: (row) => row.role },
    { title: 'USES LEFT', right: true, text: (row) => text(row.usesLeft) },
    { title: 'EXPIRES', text: (row) => second(row.expiresAt) },
    { title: 'NAME', text: (row) => text(row.node) },
    { title: 'SCOPE', text: (row) => text(row.scope) },
    { title: 'GRANTS', text: (row) => (row.grants ?? []).join(',') },
    { title: 'LABELS', text: (row) => pairs(row.labels) },
    { title: 'BY', wide: true, text: (row) => text(row.createdBy) },
    { title: 'USED BY', wide: true, text: (row) => text(row.usedBy) },
  ],
};

export const identityView: View<Shape<'identity'>> = {
  name: (row) => row.identity,
  json: (row) => ({
    name: row.identity,
    role: row.role,
    scope: orNull(row.scope),
    grants: row.grants ?? [],
    createdAt: time(row.createdAt),
    createdBy: orNull(row.createdBy),
    origin: orNull(row.origin),
    lastSeen: time(row.lastSeen),
    expiresAt: time(row.expiresAt),
    revoked: row.revoked,
    key: row.spki,
  }),
  columns: [
    { title: 'NAME', text: (row) => row.identity },
    { title: 'ROLE', text: (row) => row.role },
    { title: 'SCOPE', text: (row) => text(row.scope) },
    { title: 'GRANTS', text: (row) => (row.grants ?? []).join(',') },
    { title: 'SEEN', right: true, text: (row, now) => age(row.lastSeen, now) },
    { title: 'EXPIRES', text: (row) => second(row.expiresAt) },
    { title: 'REVOKED', text: (row) => (row.revoked ? 'yes' : '') },
    { title: 'CREATED', wide: true, text: (row) => second(row.createdAt) },
    { title: 'BY', wide: true, text: (row) => text(row.createdBy) },
    { title: 'FROM', wide: true, text: (row) => text(row.origin) },
    { title: 'KEY', wide: true, text: (row) => row.spki },
  ],
};
