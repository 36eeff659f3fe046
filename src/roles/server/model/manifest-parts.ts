/**
 * Manifests in parts: their documents, what prune takes, and the requests that would do the same
 * one by one, which is what somebody must be allowed to apply them.
 */
import { ProtocolError } from '../../../base/errors.ts';
import { matches, parseSelector } from '../../../base/selector.ts';
import { decodeSequence } from '../../../net/codec.ts';
import type { AnyBody, MessageKind, Shape } from '../../../net/layout.ts';
import { Refusal } from './change.ts';
import type { ScheduleRecord, State } from './state.ts';
import { checkTimes } from './times.ts';

type Document = Shape<'document'>;

/** Throws `Refusal` where the bytes are no documents, or say times that are none. */
export function documentsOf({ documents }: AnyBody): readonly Document[] {
  try {
    const list = decodeSequence('document', documents ?? new Uint8Array());
    for (const document of list) checkTimes(document);
    if (list.every(({ spec }) => !spec?.secretEnv && !spec?.secretFiles)) return list;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new Refusal('usage', `the manifests cannot be read: ${error.message}`);
  }
  const hint = 'give them to the task: lotc admin task set NAME --secret …, --env-file …';
  throw new Refusal('usage', 'secrets stand in no manifest', hint);
}

export function nameOf({ entry, task, timing, node }: Document): string {
  const name = entry === 'task' ? task : entry === 'schedule' ? timing?.schedule : node;
  if (name === undefined || !['task', 'schedule', 'node'].includes(entry)) {
    throw new Refusal('usage', `a manifest of "${entry}" without a name is none`);
  }
  return name;
}

export interface Pruned {
  readonly tasks: readonly string[];
  /** Of tasks that stay, too; those of a bundle are never pruned. */
  readonly schedules: readonly ScheduleRecord[];
}

/** What no document names, of the names that are meant. */
export function prunedOf(
  state: State,
  documents: readonly Document[],
  { prune, names }: Pick<AnyBody, 'prune' | 'names'>,
): Pruned {
  if (prune !== true) return { tasks: [], schedules: [] };
  const kept = new Set(documents.map((document) => `${document.entry} ${nameOf(document)}`));
  const selector = names?.length ? parseSelector(names.join(',')) : undefined;
  const isMeant = (name: string): boolean => !selector || matches(selector, { name, labels: {} });
  const schedules = [...state.schedules.values()].filter(({ plan: { schedule, task } }) => {
    if (task === undefined || kept.has(`schedule ${schedule}`)) return false;
    return isMeant(task) || isMeant(schedule);
  });
  const tasks = [...state.tasks.values()].flatMap(({ task, removing }) =>
    kept.has(`task ${task}`) || removing !== undefined || !isMeant(task) ? [] : [task],
  );
  return { tasks, schedules };
}

type Part = readonly [kind: MessageKind, body: AnyBody];

const verbs: Readonly<Record<string, MessageKind>> = {
  ...{ start: 'taskRun', restart: 'taskRun', suspend: 'taskStop', resume: 'taskCont' },
  ...{ stop: 'taskKill', kill: 'taskKill' },
};

export function requestsOf(state: State, body: AnyBody): readonly Part[] {
  const documents = documentsOf(body);
  const { tasks, schedules } = prunedOf(state, documents, body);
  const parts = documents.flatMap((document) => partsOf(state, document));
  if (tasks.length > 0) parts.push(['taskRm', { names: tasks }]);
  const ids = schedules.map(({ plan }) => plan.schedule);
  if (ids.length > 0) parts.push(['depSchedule', { mode: 'rm', names: ids }]);
  return parts;
}

function partsOf(state: State, document: Document): Part[] {
  const { entry, task = '', spec, enabled, action = '', timing, on, env, labels = {} } = document;
  const name = nameOf(document);
  if (entry === 'task') return [['taskAdd', { task, spec, enabled }]];
  if (entry === 'node') {
    const uid = state.index.nodeByName.get(name) ?? '';
    const old = state.nodes.get(uid)?.labels ?? {};
    const changed = Object.entries(labels).filter(([key, value]) => old[key] !== value);
    const labelsRemoved = Object.keys(old).filter((key) => labels[key] === undefined);
    return [['hostState', { node: name, labels: Object.fromEntries(changed), labelsRemoved }]];
  }
  const verb = verbs[action] ?? 'taskRun';
  const { arguments: more } = document;
  return [
    [verb, { targets: [task], on, env, arguments: more, timing }],
    ['depSchedule', { mode: 'rm', names: [name] }],
  ];
}
