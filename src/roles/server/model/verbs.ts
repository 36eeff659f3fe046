/**
 * start, suspend, resume, stop, kill, restart: what each makes of a process in each state.
 *
 * The server judges by its record, that is by what the last unanswered order will make of the
 * run; the node judges again by the truth. The table is the CLI contract's ("Words").
 */
import type { ErrorCode } from '../../../base/errors.ts';
import { limits } from '../../../base/limits.ts';
import { type Judged, type Verb, verbWith, verdictOf } from '../../../base/verbs.ts';
import { type Change, Refusal } from './change.ts';
import { endHeld } from './held.ts';
import { settleTask } from './instances.ts';
import { BOUND_HINT, clockFault } from './lease-rules.ts';
import { limitHint, limitRefusal } from './limits.ts';
import { giveOrder, openOperation, operationId } from './operations.ts';
import { oweMissing, oweOn } from './owed.ts';
import { missingOf } from './places.ts';
import { checkProgram } from './program.ts';
import { type Aim, bundleSelects, resolveTarget, taskMatches } from './resolve.ts';
import { answerRow } from './rows.ts';
import { isPreempted, judgedState, presentRunsOf, putRun } from './runs.ts';
import { makeSchedules } from './schedules.ts';
import { orderStart } from './start.ts';
import type { Answer, Ordered, Reply, RunRecord, State, TaskRecord } from './state.ts';
import type { Timing } from './timing.ts';
import { hintOf, ofNone, outsideText, type StartFault, sentence, startFault } from './verdict.ts';

export interface VerbRequest {
  readonly verb: Verb;
  readonly targets: readonly string[];
  readonly on?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly arguments?: readonly string[] | undefined;
  readonly signal?: string | undefined;
  readonly expiresMs?: number | undefined;
}

/** Judges every target, gives the orders, and answers at once what needs none. */
export function applyVerb(change: Change, request: VerbRequest): Reply {
  const { targets, verb } = request;
  checkProgram(request);
  if (targets.length > limits.targetsPerVerb) throw tooManyTargets(targets.length);
  const answers: Answer[] = [];
  const work: Aim[] = [];
  const short: string[] = [];
  const starting = verb === 'start' || verb === 'restart';
  for (const target of new Set(targets)) {
    try {
      const placed = placedTask(change, target, request);
      const aims = resolveTarget(change.state, target, { on: request.on, starting });
      for (const aim of aims) {
        const answer =
          judge(change, aim, request) ?? (starting ? spared(change, aim, request) : undefined);
        if (answer) answers.push(answer);
        else work.push(aim);
      }
      if (placed && starting && isShort(change.state, target)) short.push(target);
      else if (aims.length === 0) answers.push(ofNone(target, verb));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (targets.length === 1) throw error;
      const { code, message: text, hint } = error;
      answers.push({ task: target, ok: false, code, text, hint });
    }
  }
  const isNothing = work.length === 0 && short.length === 0;
  if (isNothing && !answers.some((answer) => answer.ok)) throw refusalOf(answers);
  const operation = openOperation(change, { verb, targets });
  change.state.operations.set(operation.operation, { ...operation, answers });
  for (const task of short) oweMissing(change, task, request, operation.operation);
  for (const aim of work) carryOut(change, aim, request);
  return { ok: true, body: { operation: operation.operation, answers: answers.map(answerRow) } };
}

/** A task with `instances` that is meant as a whole; a start of it looks at its places anew. */
function placedTask(
  change: Change,
  target: string,
  { verb, on }: VerbRequest,
): TaskRecord | undefined {
  const task = on === undefined ? change.state.tasks.get(target) : undefined;
  if (task?.spec.instances === undefined) return undefined;
  if (verb !== 'start' && verb !== 'restart') return task;
  const fault = startFault(change.state, task) ?? leaseFault(change, task);
  if (fault) throw new Refusal(fault.code, fault.text, fault.hint ?? hintOf(fault.code, target));
  settleTask(change, target, { fresh: true });
  return task;
}

function isShort(state: State, name: string): boolean {
  const task = state.tasks.get(name);
  return task !== undefined && (missingOf(task) > 0 || (task.leaving?.length ?? 0) > 0);
}

/** A start on a node that is being drained: refused where it is named, owed where it is not. */
function spared(change: Change, aim: Aim, request: VerbRequest): Answer | undefined {
  const { node, task, run } = aim;
  if (node.draining === undefined || !task) return undefined;
  const place = { node: node.name, task: task.task };
  const text = `node ${node.name} is draining; task "${task.task}" does not start there`;
  if (aim.named) {
    const hint = `to take that back: lotc admin node undrain ${node.name}`;
    return { ...place, ok: false, code: 'draining', text, hint };
  }
  if (!run || run.ended) oweOn(change, task, node.uid, request);
  return { ...place, ok: true, unchanged: true, text: `${text} until that is taken back` };
}

/** The same verb at instants to come: judged then, by the node. */
export function scheduleVerb(change: Change, request: VerbRequest, timing: Timing): Reply {
  const { targets, verb: action, on, env, arguments: more, signal } = request;
  checkProgram(request);
  if (targets.length > limits.targetsPerVerb) throw tooManyTargets(targets.length);
  return makeSchedules(change, {
    ...{ timing, targets, on },
    deed: { action, env, arguments: more, signal },
  });
}

function tooManyTargets(count: number): Refusal {
  const text = `${count} targets in one request; at most ${limits.targetsPerVerb}`;
  return new Refusal('too-large', text);
}

/** One refusal for all: the only one, or the first with the others beside it. */
export function refusalOf(answers: readonly Answer[]): Refusal {
  const [first] = answers;
  const code = first?.code ?? 'nothing-matches';
  const same = answers.every((answer) => answer.code === code);
  const text = first?.text ?? 'nothing to do';
  if (answers.length === 1) return new Refusal(code, text, first?.hint, answers);
  if (same)
    return new Refusal(code, `${text} (and ${answers.length - 1} more)`, first?.hint, answers);
  return new Refusal('some-failed', `all ${answers.length} targets failed`, undefined, answers);
}

function judgedOf(run: RunRecord | undefined): Judged {
  if (!run || run.ended) return 'none';
  const state = judgedState(run);
  return state === 'armed' ? 'pending' : (state as Judged);
}

function leaseFault({ command }: Change, { task, spec }: TaskRecord): StartFault | undefined {
  const fault = clockFault(command, spec);
  return fault === undefined
    ? undefined
    : { code: 'unsupported', text: `task "${task}": ${fault}`, hint: BOUND_HINT };
}

/** The answer where there is nothing to do; undefined where an order must be given. */
function judge(change: Change, aim: Aim, { verb, signal }: VerbRequest): Answer | undefined {
  const { state } = change;
  const { node, run, task } = aim;
  const place = { node: node.name, task: task?.task, run: run?.run };
  const no = (code: ErrorCode, text: string, hint = hintOf(code, aim.target)): Answer => {
    return { ...place, ok: false, code, text, hint };
  };
  const name = task ? `task "${task.task}"` : `run ${run?.run ?? aim.target}`;
  const judged = judgedOf(run);
  if (verb === 'start' || verb === 'restart') {
    if (!task) return no('unsupported', `${name} belongs to no task and cannot be started again`);
    const fault = startFault(state, task, ` on node ${node.name}`) ?? leaseFault(change, task);
    if (fault) return no(fault.code, fault.text, fault.hint);
    if (node.removing !== undefined) return no('in-use', `node ${node.name} is being removed`);
    // That is why it is not placed there.
    const isSpared = node.draining !== undefined && judged === 'none';
    if (aim.outside && !(isSpared && taskMatches(state, task, node))) {
      return no('not-selected', outsideText(state, task, node));
    }
    const limit = limitRefusal(task, node);
    if (limit !== undefined) return no('unsupported', limit, limitHint(task, node));
  }
  let verdict = verdictOf(verbWith(verb, signal), judged, isPreempted(run));
  // It starts anew as soon as it can, whatever was asked for first.
  if (verb === 'restart' && judged === 'pending') verdict = 'done';
  // It ends by itself, and its policy may bring it back: the node has to know that it shall not.
  const ends = judged === 'stopping' && run?.ordered !== 'down' && run?.row.wish === 'up';
  if (verb === 'stop' && ends) verdict = 'act';
  if (verdict === 'act') return undefined;
  if (verdict === 'done') {
    const text = `${name} on node ${node.name}: ${judged === 'none' ? 'not running' : judged} already`;
    return { ...place, ok: true, unchanged: true, text };
  }
  return no(verdict, sentence(verdict, name, node.name, judged));
}

const orderedBy: Partial<Record<Verb, Ordered>> = {
  suspend: 'suspended',
  resume: 'running',
  stop: 'down',
  kill: 'down',
};

function carryOut(change: Change, aim: Aim, request: VerbRequest): void {
  const { verb, signal } = request;
  if (verb === 'start' || (verb === 'restart' && (!aim.run || aim.run.ended))) {
    startRun(change, aim, request);
    return;
  }
  const { run, node } = aim;
  if (!run) return;
  if (verb === 'restart') {
    const overlapping = presentRunsOf(change.state, run.task ?? '', node.uid);
    for (const other of overlapping) if (other.run !== run.run) stopOther(change, other, aim);
    putRun(change, { ...run, ordered: 'down' });
    // What is held back stops nothing: the node does not hear of it yet.
    if (startRun(change, aim, request, run.run)?.held) stopOther(change, run, aim);
    return;
  }
  if (run.held) {
    // Its node has not heard of it.
    endHeld(change, run, `cancelled by ${verb}`, 'cancelled');
    answerNow(change, { node: node.name, task: run.task, run: run.run, ok: true });
    return;
  }
  const expires = verb === 'suspend' || verb === 'resume';
  const expiresMs = request.expiresMs ?? limits.orderExpiresMs;
  giveOrder(change, operationId(change), node.uid, {
    verb,
    run: run.run,
    task: run.task,
    signal,
    stopSignal: aim.task?.spec.stopSignal,
    stopGraceMs: aim.task?.spec.stopGraceMs,
    expiresAt: expires ? change.command.at + expiresMs * 1000 : undefined,
  });
  if (signal === undefined) putRun(change, { ...run, ordered: orderedBy[verb] });
}

/** A restart leaves one run, where schedules had let several begin. */
function stopOther(change: Change, { run, uid, task }: RunRecord, aim: Aim): void {
  const { stopSignal, stopGraceMs } = aim.task?.spec ?? {};
  const order = { verb: 'stop', run, task, stopSignal, stopGraceMs };
  giveOrder(change, operationId(change), uid, order);
  const record = change.state.runs.get(run);
  if (record) putRun(change, { ...record, ordered: 'down' });
}

/** Makes the run (pending) and orders its start; `previous` is stopped first. */
function startRun(
  change: Change,
  aim: Aim,
  request: VerbRequest,
  previous?: string,
): RunRecord | undefined {
  const { node, task } = aim;
  if (!task) return undefined;
  const bundle =
    task.spec.bundle === undefined ? undefined : change.state.bundles.get(task.spec.bundle);
  if (bundle && !bundleSelects(bundle, node)) {
    answerNow(change, {
      ...{ node: node.name, task: task.task, ok: false, code: 'not-selected' },
      text: `bundle "${bundle.bundle}" of task "${task.task}" is not on node ${node.name}`,
      hint: `to load it there: lotc admin load PATH --name ${bundle.bundle} --on ${node.name}`,
    });
    return undefined;
  }
  const reason =
    previous === undefined ? `waits for node ${node.name}` : `waits for the end of ${previous}`;
  return orderStart(change, {
    ...{ uid: node.uid, task: task.task, spec: task.spec, revision: task.revision },
    ...{ digest: bundle?.digest, bundle: bundle?.bundle, reason },
    restartsWith: previous === undefined ? undefined : request.targets.map(taskOf),
    order: {
      ...{ verb: previous === undefined ? 'start' : 'restart', previous },
      ...{ env: request.env, arguments: request.arguments },
    },
  });
}

const taskOf = (target: string): string => target.split('@', 1)[0] ?? '';

function answerNow(change: Change, answer: Answer): void {
  const id = operationId(change);
  const operation = change.state.operations.get(id);
  if (!operation) return;
  change.state.operations.set(id, { ...operation, answers: [...operation.answers, answer] });
}
