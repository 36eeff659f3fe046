/**
 * Manifests: tasks, schedules and labels of nodes as documents say, all of it or nothing, and
 * nothing where all is so already. What the documents hold is carried out on a copy first; what
 * is refused there has never happened. A dry run ends there.
 */
import { canonicalText } from '../../../base/canonical.ts';
import type { Shape } from '../../../net/layout.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { checkTogether, neededText, successorsOf } from './dependencies.ts';
import { settlePlaces } from './instances.ts';
import { documentsOf, nameOf, prunedOf } from './manifest-parts.ts';
import { labelNode } from './nodes.ts';
import { openOperation, operationId } from './operations.ts';
import { dropSchedule } from './placement.ts';
import { putSchedule } from './put-schedule.ts';
import { bundleNamed, nodeNamed } from './resolve.ts';
import { liveRuns } from './runs.ts';
import type { Reply, State } from './state.ts';
import { addTask, removeTask, useOf } from './tasks.ts';
import { isSpent } from './timing.ts';
import { toldPlaces } from './told-places.ts';
import { trialOf } from './trial.ts';

type Request = Omit<CommandBody<'depApply'>, 'dryRun'>;
type Document = Shape<'document'>;
type Row = Shape<'change'>;

export function applyManifests(change: Change, request: Request): Reply {
  const documents = documentsOf(request);
  const trial = trialOf(change);
  carryOut(trial, documents, request);
  settlePlaces(trial);
  const before = new Map(change.state.tasks);
  const rows = carryOut(change, documents, request);
  return replyOf(withMoves(before, trial.state, rows));
}

/** What `applyManifests` would say, with what stands there now. Throws its `Refusal`. */
export function tryManifests(change: Change, request: Request): Reply & { ok: true } {
  const { state } = change;
  const trial = trialOf(change);
  const rows = carryOut(trial, documentsOf(request), request);
  settlePlaces(trial);
  const all = withMoves(state.tasks, trial.state, rows);
  return replyOf(all.map((row) => withPlaces(trial.state, withPresent(state, row))));
}

function replyOf(changes: readonly Row[]): Reply & { ok: true } {
  return { ok: true, body: { changes, unchanged: changes.length === 0 } };
}

/** Which instances that live leave their nodes by it: of each task that is named, and of others. */
function withMoves(before: State['tasks'], after: State, rows: readonly Row[]): readonly Row[] {
  const known = new Map(rows.flatMap((row) => (row.entry === 'task' ? [[row.task, row]] : [])));
  const moved = new Map<string, Row>();
  for (const name of after.index.short) {
    const row = known.get(name) ?? { entry: 'task', mode: 'change', task: name };
    const was = new Set(before.get(name)?.leaving?.map(({ uid }) => uid));
    const leaving = after.tasks.get(name)?.leaving?.filter(({ uid }) => !was.has(uid)) ?? [];
    if (leaving.length === 0) continue;
    const places = leaving.map(({ uid, why }) => {
      const node = after.nodes.get(uid)?.name ?? '';
      return { ok: false, node, text: `it leaves: ${why}` };
    });
    moved.set(name, { ...row, ...goOn(row, new Set(places.map(({ node }) => node))), places });
  }
  const rest = [...moved].flatMap(([name, row]) => (known.has(name) ? [] : [row]));
  return [...rows.map((row) => moved.get(row.task ?? '') ?? row), ...rest];
}

/** What goes on as it was, without what leaves. */
function goOn({ task, affected, running = 0 }: Row, left: ReadonlySet<string>): Partial<Row> {
  if (affected === undefined) return {};
  const names = new Set([...left].map((node) => `${task}@${node}`));
  return { affected: affected.filter((name) => !names.has(name)), running: running - left.size };
}

/** Where it would be. */
function withPlaces(state: State, row: Row): Row {
  const task = row.mode === 'remove' ? undefined : state.tasks.get(row.task ?? '');
  return task && row.entry === 'task' ? { ...row, ...toldPlaces(state, task, true) } : row;
}

function withPresent(state: State, row: Row): Row {
  const { task, schedule, node } = row;
  if (schedule !== undefined) {
    const record = state.schedules.get(schedule);
    return record ? { ...row, plan: { ...record.plan, paused: record.paused } } : row;
  }
  if (task !== undefined) {
    const record = state.tasks.get(task);
    const { spec, enabled = true } = record ?? {};
    return spec ? { ...row, spec: { ...spec, ...noSecrets }, enabled } : row;
  }
  return { ...row, labels: nodeNamed(state, node ?? '').labels };
}

/** Labels first, for tasks and schedules are placed by them; then tasks, which schedules need. */
function carryOut(change: Change, documents: readonly Document[], request: Request): Row[] {
  const rows: Row[] = [];
  checkTwice(documents);
  const of = (entry: string): readonly Document[] =>
    documents.filter((document) => document.entry === entry);
  for (const document of of('node')) rows.push(...label(change, document));
  for (const document of of('task')) rows.push(...define(change, document, request));
  rows.push(...prune(change, documents, request));
  checkTogether(change.state, of('task'));
  for (const document of of('schedule')) rows.push(...plan(change, document));
  return rows;
}

function checkTwice(documents: readonly Document[]): void {
  const seen = new Set<string>();
  for (const document of documents) {
    const what = `${document.entry} "${nameOf(document)}"`;
    if (seen.has(what)) throw new Refusal('usage', `${what} stands there twice`);
    seen.add(what);
  }
}

function label(change: Change, { node = '', labels = {} }: Document): readonly Row[] {
  const old = nodeNamed(change.state, node).labels;
  const labelsRemoved = Object.keys(old).filter((key) => labels[key] === undefined);
  const reply = labelNode(change, { node, labels, labelsRemoved });
  if (!reply.ok || reply.body['unchanged'] === true) return [];
  return [{ entry: 'node', mode: 'change', node, names: differing(old, labels) }];
}

function define(change: Change, document: Document, { ifRevision }: Request): readonly Row[] {
  const { state } = change;
  const { task = '', enabled, digest } = document;
  if (!document.spec) throw new Refusal('usage', `task "${task}" has no command`);
  const old = state.tasks.get(task);
  // They stand in no manifest, and stay as they are.
  const { secretEnv, secretFiles } = old?.spec ?? {};
  const spec = { ...document.spec, ...given({ secretEnv, secretFiles }) };
  if (digest !== undefined) checkDigest(state, spec.bundle ?? '', digest);
  const reply = addTask(change, { task, spec, enabled, mode: 'apply' });
  if (!reply.ok || reply.body['unchanged'] === true) return [];
  if (ifRevision !== undefined && ifRevision !== (old?.revision ?? 0)) {
    const found = old ? `is at revision ${old.revision}` : 'is not there (revision 0)';
    const hint = `look at it again: lotc admin task show ${task}`;
    throw new Refusal('stale', `task "${task}" ${found}, not at ${ifRevision}`, hint);
  }
  const revision = reply.body['revision'] as number;
  if (!old) return [{ entry: 'task', mode: 'create', task, revision }];
  const names = [
    ...differing(old.spec, spec),
    ...(enabled !== undefined && enabled !== old.enabled ? ['enabled'] : []),
  ];
  const goingOn = names.some((name) => name !== 'enabled') ? placesOf(state, task) : [];
  const [affected, running] = [goingOn.slice(0, AFFECTED_NAMED), goingOn.length];
  return [{ entry: 'task', mode: 'change', task, revision, names, affected, running }];
}

const noSecrets = { secretEnv: undefined, secretFiles: undefined };

const given = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Partial<T>;

/** So many processes are named; the others are counted. */
const AFFECTED_NAMED = 20;

function placesOf(state: State, task: string): readonly string[] {
  const nodes = [...liveRuns(state, { task })].map(({ uid }) => state.nodes.get(uid)?.name ?? '');
  return nodes.sort().map((node) => `${task}@${node}`);
}

function checkDigest(state: State, bundle: string, digest: string): void {
  const record = bundleNamed(state, bundle);
  if (record.digest === digest) return;
  const hint = `load that content: lotc admin load PATH --name ${bundle} --replace`;
  throw new Refusal('stale', `bundle "${bundle}" is ${record.digest}, not ${digest}`, hint);
}

function plan(change: Change, document: Document): readonly Row[] {
  const schedule = document.timing?.schedule ?? '';
  const old = change.state.schedules.get(schedule);
  const { isNew, isMarked } = putSchedule(change, document);
  if (!isNew && !isMarked) return [];
  const { task } = document;
  if (!old) return [{ entry: 'schedule', mode: 'create', schedule, task }];
  const record = change.state.schedules.get(schedule);
  const { sinceUs: _, revision: __, who: ___, ...was } = old.plan;
  const { sinceUs: _1, revision: _2, who: _3, ...is } = record?.plan ?? old.plan;
  const names = [...differing(was, is), ...(old.paused === record?.paused ? [] : ['paused'])];
  return [{ entry: 'schedule', mode: 'change', schedule, task, names }];
}

function prune(change: Change, documents: readonly Document[], request: Request): readonly Row[] {
  const { state, command } = change;
  const { tasks, schedules } = prunedOf(state, documents, request);
  const verb = 'task rm';
  const rows: Row[] = [];
  for (const record of schedules) {
    const { schedule, task } = record.plan;
    if (isSpent(record.plan, command.at)) continue;
    dropSchedule(change, record);
    change.event({ kind: 'schedule-removed', text: `schedule "${schedule}" removed`, task });
    rows.push({ entry: 'schedule', mode: 'remove', schedule, task });
  }
  for (const task of tasks) {
    const use = useOf(state, task);
    if (use) throw new Refusal('running', use.text, use.hint);
    const successors = successorsOf(state, task, tasks);
    if (successors.length > 0) throw new Refusal('in-use', neededText(task, successors));
    const record = state.tasks.get(task);
    if (!liveRuns(state, { task }).next().done) openOperation(change, { verb, targets: [task] });
    if (record) removeTask(change, record, operationId(change));
    rows.push({ entry: 'task', mode: 'remove', task });
  }
  return rows;
}

/** Keys whose values differ. */
function differing(before: object, after: object): readonly string[] {
  const [a, b] = [before as Record<string, unknown>, after as Record<string, unknown>];
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => canonicalText(a[name]) !== canonicalText(b[name])).sort();
}
