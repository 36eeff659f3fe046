/**
 * Bundles: which code is loaded where. Content lies in the blob store under its digest before the
 * command that names it is journaled; here only names, digests and selections are kept.
 */

import { signerOf } from '../../../net/signature.ts';
import { assign, bundleItem, withdraw } from './assignment.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { answerOperation, awaitAnswer, openOperation } from './operations.ts';
import { placeSchedulesOfBundle } from './placement.ts';
import { bounded, bundleSelects, checkSelector, selectNodes, taskSelects } from './resolve.ts';
import { answerRow, presenceKey } from './rows.ts';
import { liveRuns } from './runs.ts';
import { makeSchedules } from './schedules.ts';
import type { Answer, BundleRecord, NodeRecord, Reply, RunRecord, State } from './state.ts';
import { stopForRemoval } from './tasks.ts';
import { refusalOf } from './verbs.ts';

export function defineBundle(change: Change, body: CommandBody<'fileDef'>): Reply {
  const { state, command } = change;
  const { bundle, digest, sizeBytes, signature, on = '@all' } = body;
  const signer = signature === undefined ? undefined : signerOf(digest, signature);
  if (signature !== undefined && signer === undefined) {
    throw new Refusal('usage', `the signature of bundle "${bundle}" does not hold`);
  }
  checkSelector(state, on);
  const old = state.bundles.get(bundle);
  if (old && old.digest !== digest && body.replace !== true) {
    throw new Refusal(
      'exists',
      `bundle "${bundle}" exists with another content (${old.digest.slice(0, 19)}…)`,
      `to put this content in its place: lotc admin load PATH --name ${bundle} --replace`,
    );
  }
  if (body.timing) {
    const deed = { action: 'load', bundle, digest, sizeBytes, signature };
    return makeSchedules(change, { timing: body.timing, on, deed });
  }
  const { at, who } = command;
  const selectors = new Set(old?.on ?? []).add(bounded(on, change.within));
  const record: BundleRecord = {
    ...{ bundle, digest, sizeBytes, signature, signer, at, who, createdAt: old?.createdAt ?? at },
    on: selectors.has('@all') ? ['@all'] : [...selectors],
    except: [],
  };
  state.bundles.set(bundle, record);
  placeSchedulesOfBundle(change, bundle);
  lookAtTasksOf(change, bundle);
  const operation = openOperation(change, { verb: 'load', targets: [bundle] });
  for (const node of state.nodes.values()) {
    if (!bundleSelects(record, node)) continue;
    loadOn(change, record, node);
    const presence = state.presences.get(presenceKey(node.uid, bundle));
    if (presence?.digest === digest && presence.state === 'loaded') {
      const answer = { ok: true, node: node.name, unchanged: true };
      answerOperation(change, operation.operation, undefined, answer);
    } else awaitAnswer(change, operation.operation, loadToken(bundle, node.uid));
  }
  if (old?.digest !== digest) {
    const text = `bundle "${bundle}" ${old ? 'replaced' : 'loaded'} (${digest.slice(0, 19)}…)`;
    change.event({ kind: old ? 'bundle-replaced' : 'bundle-loaded', text, bundle });
  }
  const answers = state.operations.get(operation.operation)?.answers ?? [];
  return { ok: true, body: { operation: operation.operation, answers: answers.map(answerRow) } };
}

const loadToken = (bundle: string, uid: string): string => `load:${bundle} ${uid}`;
const unloadToken = (bundle: string, uid: string): string => `unload:${bundle} ${uid}`;

function loadOn(change: Change, record: BundleRecord, node: NodeRecord): void {
  const { state } = change;
  const { bundle, digest, sizeBytes, signature } = record;
  const item = bundleItem(bundle);
  const known = state.assignments.get(node.uid)?.items.get(item);
  const isThere = known?.digest === digest && known.signature === signature;
  // What failed for good is tried again only when it is assigned again.
  const failed = state.presences.get(presenceKey(node.uid, bundle))?.state === 'failed';
  if (isThere && !failed) return;
  assign(change, node.uid, { item, entry: 'bundle', bundle, digest, sizeBytes, signature });
  const text = `bundle "${bundle}" was loaded again before it was removed`;
  answerWaiting(change, unloadToken(bundle, node.uid), {
    ...{ ok: false, node: node.name, code: 'cancelled', text },
  });
}

/** Ends every waiting for `token`. */
function answerWaiting(change: Change, token: string, answer: Answer): void {
  for (const { operation, waiting } of [...change.state.operations.values()]) {
    if (waiting.has(token)) answerOperation(change, operation, token, answer);
  }
}

/** A node that joins, or changes its labels, gets the bundles that now select it. */
export function loadBundles(change: Change, node: NodeRecord): void {
  for (const record of change.state.bundles.values()) {
    if (bundleSelects(record, node)) loadOn(change, record, node);
    else unloadFrom(change, record.bundle, node);
  }
}

function unloadFrom(change: Change, bundle: string, node: NodeRecord): void {
  const { state } = change;
  state.presences.delete(presenceKey(node.uid, bundle));
  if (!state.assignments.get(node.uid)?.items.has(bundleItem(bundle))) return;
  withdraw(change, node.uid, bundleItem(bundle));
  const text = `bundle "${bundle}" was unloaded before it was loaded`;
  answerWaiting(change, loadToken(bundle, node.uid), {
    ...{ ok: false, node: node.name, code: 'cancelled', text },
  });
}

export interface BundleReport {
  readonly bundle: string;
  readonly digest: string;
  readonly state: string;
  readonly reason?: string | undefined;
}

export function reportBundle(change: Change, node: NodeRecord, report: BundleReport): void {
  const { state } = change;
  const { bundle, digest, reason } = report;
  if (report.state === 'removed') {
    const token = unloadToken(bundle, node.uid);
    answerWaiting(change, token, { ok: true, node: node.name });
    return;
  }
  if (state.bundles.get(bundle)?.digest !== digest) return;
  const { uid } = node;
  state.presences.set(presenceKey(uid, bundle), {
    uid,
    bundle,
    digest,
    state: report.state,
    reason,
  });
  if (report.state === 'loading') return;
  const ok = report.state === 'loaded';
  const answer: Answer = ok
    ? { ok, node: node.name }
    : {
        ...{ ok, node: node.name, code: 'bundle-failed' },
        text: `bundle "${bundle}" could not be loaded on node ${node.name}: ${reason ?? 'unknown'}`,
      };
  answerWaiting(change, loadToken(bundle, uid), answer);
  if (!ok) {
    const text = `bundle "${bundle}" failed on ${node.name}: ${reason ?? 'unknown'}`;
    change.event({ kind: 'bundle-failed', text, bundle, node: node.name });
  }
}

export function removeBundles(change: Change, body: CommandBody<'fileRm'>): Reply {
  const { state } = change;
  const nodes = body.on === undefined ? undefined : selectNodes(state, body.on);
  const answers: Answer[] = [];
  const gone: BundleRecord[] = [];
  for (const name of new Set(body.names)) {
    const record = state.bundles.get(name);
    if (!record) {
      answers.push({
        ok: false,
        code: 'no-such-bundle',
        text: `there is no bundle "${name}"`,
        hint: 'see: lotc admin bundle ls',
      });
      continue;
    }
    // What uses it by then is judged then.
    const use = body.force === true || body.timing ? undefined : useOf(state, record, nodes);
    if (use === undefined) gone.push(record);
    else {
      const hint = `remove what uses it first, or: lotc admin unload ${name} --force (stops it)`;
      answers.push({
        ok: false,
        code: 'in-use',
        text: `bundle "${name}" is in use by ${use}`,
        hint,
      });
    }
  }
  if (gone.length === 0) throw refusalOf(answers);
  const [only] = gone;
  if (body.timing && only) {
    if (answers.length + gone.length > 1) {
      throw new Refusal('usage', 'a schedule unloads one bundle; name one');
    }
    const deed = { action: 'unload', bundle: only.bundle, force: body.force };
    return makeSchedules(change, { timing: body.timing, on: body.on, deed });
  }
  const { operation } = openOperation(change, { verb: 'unload', targets: body.names });
  for (const answer of answers) answerOperation(change, operation, undefined, answer);
  for (const record of gone) removeBundle(change, operation, record, nodes);
  const now = state.operations.get(operation)?.answers ?? [];
  return { ok: true, body: { operation, answers: now.map(answerRow) } };
}

/** Its nodes decide where instances of its tasks may be. */
function lookAtTasksOf({ state, placing }: Change, bundle: string): void {
  for (const { task, spec } of state.tasks.values())
    if (spec.bundle === bundle && spec.instances !== undefined) placing.add(task);
}

/** What still uses a bundle (on these nodes), as the end of a sentence. */
function useOf(
  state: State,
  record: BundleRecord,
  nodes: readonly NodeRecord[] | undefined,
): string | undefined {
  for (const run of runsOf(state, record, nodes)) {
    return `run ${run.run} of task "${run.task ?? '-'}" on node ${state.nodes.get(run.uid)?.name ?? ''}`;
  }
  for (const task of state.tasks.values()) {
    if (task.spec.bundle !== record.bundle) continue;
    if (!nodes) return `task "${task.task}"`;
    const node =
      task.spec.on === undefined ? undefined : nodes.find((n) => taskSelects(state, task, n));
    if (node) return `task "${task.task}", which selects node ${node.name}`;
  }
  return undefined;
}

function* runsOf(
  state: State,
  record: BundleRecord,
  nodes: readonly NodeRecord[] | undefined,
): Generator<RunRecord> {
  const uids = nodes && new Set(nodes.map((node) => node.uid));
  for (const run of liveRuns(state, {})) {
    if (run.bundle === record.bundle && (!uids || uids.has(run.uid))) yield run;
  }
}

function removeBundle(
  change: Change,
  operation: string,
  record: BundleRecord,
  nodes: readonly NodeRecord[] | undefined,
): void {
  const { state } = change;
  const { bundle } = record;
  for (const run of [...runsOf(state, record, nodes)]) {
    stopForRemoval(
      change,
      run.run,
      run.task === undefined ? undefined : state.tasks.get(run.task)?.spec,
    );
  }
  const from = (nodes ?? [...state.nodes.values()]).filter((node) => bundleSelects(record, node));
  for (const node of from) {
    unloadFrom(change, bundle, node);
    awaitAnswer(change, operation, unloadToken(bundle, node.uid));
  }
  if (from.length === 0) answerOperation(change, operation, undefined, { ok: true });
  if (nodes) {
    const except = [...new Set([...record.except, ...nodes.map((node) => node.name)])];
    state.bundles.set(bundle, { ...record, except });
  } else state.bundles.delete(bundle);
  placeSchedulesOfBundle(change, bundle);
  lookAtTasksOf(change, bundle);
  const where = nodes ? ` from ${nodes.map((node) => node.name).join(', ')}` : '';
  change.event({ kind: 'bundle-removed', text: `bundle "${bundle}" removed${where}`, bundle });
}

/** Digests something still needs; others may leave the blob store. */
export function neededDigests(state: State): ReadonlySet<string> {
  const needed = new Set<string>();
  for (const bundle of state.bundles.values()) needed.add(bundle.digest);
  for (const { plan } of state.schedules.values()) if (plan.digest) needed.add(plan.digest);
  for (const run of state.runs.values()) if (!run.ended && run.digest) needed.add(run.digest);
  for (const { kept, expiresAt } of state.results.values())
    if (kept.digest && expiresAt > state.at) needed.add(kept.digest);
  return needed;
}
