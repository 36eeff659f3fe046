/**
 * What a firing does at its instant: the same verbs as orders, judged by the same tables, on every
 * live run of the task on this node. It refuses to know instants and claims; it says at once how
 * a firing ended, on which runs it waits, or that it must wait its turn.
 */

import type { ErrorCode } from '../../base/errors.ts';
import { type Verb, verbWith, verdictOf, verdicts } from '../../base/verbs.ts';
import type { Shape } from '../../net/bodies.ts';
import { isPreempted } from '../../supervisor/preemption.ts';
import { judgedState } from '../../supervisor/process.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type { Bundles } from './bundles.ts';
import { resumeByHand, suspendByHand } from './by-hand.ts';
import type { AgentAction, Item, StoredRun, Time } from './events.ts';
import {
  DRAINING,
  type Ending,
  isHeldBehind,
  type Plan,
  resultOf,
  type StoredFire,
  skipped,
  startItem,
} from './firing.ts';
import type { Runs } from './runs.ts';
import { seenDeed } from './seen-deed.ts';
import { refusal, settle } from './verdict.ts';

export interface DeedPorts {
  readonly act: (action: AgentAction) => void;
  time(): Time;
  runs(): Runs;
  bundles(): Bundles;
  /** The definition that schedules start here. */
  task(name: string): Item | undefined;
  /** Why its task does not run without the server; undefined: it does, or that is there. */
  serverLost(item: Item): string | undefined;
}

/** `targets`: begun, on these runs. `queue`: again when a run of the task has ended. */
export type Begun = Ending | { readonly targets: readonly string[] } | 'queue';

export function beginDeed(ports: DeedPorts, fire: StoredFire, plan: Plan): Begun {
  switch (fire.action) {
    case 'start':
      return beginStart(ports, fire, plan);
    case 'restart':
      return beginRestart(ports, fire, plan);
    case 'load':
    case 'unload':
      return beginBundle(ports, fire, plan);
    case 'suspend':
    case 'resume':
    case 'stop':
    case 'kill':
      return beginVerb(ports, fire, plan);
    default:
      return { result: 'failed', reason: `this agent does not know how to ${fire.action}` };
  }
}

/** What the runs say about the firing: its end, or nothing yet. */
export function settleDeed(ports: DeedPorts, fire: StoredFire): Ending | undefined {
  const { targets = [] } = fire;
  let worst: Ending = { result: 'ok' };
  for (const run of targets) {
    const stored = ports.runs().get(run);
    if (!stored) {
      return { result: 'lost', reason: `what became of run ${run} is not known any more` };
    }
    const answer = settle(orderOf(fire, run), stored.process);
    if (!answer) return undefined;
    if (!answer.ok && worst.result === 'ok') {
      worst = { result: resultOf(answer), reason: reasonOf(answer, stored) };
    }
  }
  return worst;
}

/** Does again what has no effect when it is done twice; for a firing begun in an earlier life. */
export function repeatDeed(ports: DeedPorts, fire: StoredFire): void {
  for (const run of fire.targets ?? []) {
    const stored = ports.runs().get(run);
    if (!stored || hasEnded(stored.process.state)) continue;
    if (settle(orderOf(fire, run), stored.process)) continue;
    apply(ports, run, fire);
  }
}

export const verbOf = ({ action, signal }: Plan): Verb => verbWith(action, signal);

// ---- start and restart ----

function beginStart(ports: DeedPorts, fire: StoredFire, plan: Plan): Begun {
  const refused = refusedStart(ports, fire);
  if (refused) return refused;
  const live = present(ports, fire);
  const running = live.at(-1)?.process.run;
  if (running === undefined || plan.overlap === 'allow') return startRun(ports, fire, plan);
  switch (plan.overlap) {
    case 'queue':
      return 'queue';
    case 'replace':
      return replaceRuns(ports, fire, plan);
    default: {
      const reason = `task "${fire.task ?? ''}" runs already, as ${running} (--overlap forbid)`;
      return skipped(reason);
    }
  }
}

function beginRestart(ports: DeedPorts, fire: StoredFire, plan: Plan): Begun {
  return refusedStart(ports, fire) ?? replaceRuns(ports, fire, plan);
}

function refusedStart(ports: DeedPorts, fire: StoredFire): Ending | undefined {
  const name = fire.task ?? '';
  const item = ports.task(name);
  if (!item?.spec) return { result: 'failed', reason: `task "${name}" is not known on this node` };
  if (item.enabled === false) return skipped(`task "${name}" is disabled`);
  const silence = ports.serverLost(item);
  return silence === undefined ? undefined : skipped(silence);
}

/** What is live ends first; the new run waits for the one that does. */
function replaceRuns(ports: DeedPorts, fire: StoredFire, plan: Plan): Begun {
  const runs = ports.runs();
  const live = present(ports, fire);
  for (const { process } of live) runs.apply(process.run, { event: 'want-stop' });
  const previous = live.find(({ process }) => {
    const now = runs.get(process.run);
    return now !== undefined && !hasEnded(now.process.state);
  });
  return startRun(ports, fire, plan, previous?.process.run);
}

/** Runs of the task that live at the firing's turn; what is held for a later one is none yet. */
export function present(ports: DeedPorts, fire: StoredFire): readonly StoredRun[] {
  const { atUs } = ports.time();
  const live = ports.runs().liveOf(fire.task);
  return live.filter((stored) => !isHeldBehind(stored, fire, atUs));
}

/** What a start would launch now, or why it would not. */
export function startOrder(
  ports: DeedPorts,
  fire: StoredFire,
  plan: Plan,
): Ending | { readonly order: Item } {
  if (plan.draining) return skipped(DRAINING);
  const refused = refusedStart(ports, fire);
  if (refused) return refused;
  const task = ports.task(fire.task ?? '') as Item;
  const name = task.spec?.bundle;
  const bundle = name === undefined ? undefined : ports.bundles().named(name);
  if (name !== undefined && !bundle) {
    return { result: 'failed', reason: `bundle "${name}" is not on this node` };
  }
  return { order: startItem(fire, { plan, task, bundle }) };
}

function startRun(ports: DeedPorts, fire: StoredFire, plan: Plan, previous?: string): Begun {
  const { run = '' } = fire;
  const start = startOrder(ports, fire, plan);
  if ('result' in start) return start;
  const runs = ports.runs();
  const { order } = start;
  runs.create(previous === undefined ? order : { ...order, previous }, { isNews: true });
  runs.evaluate(run);
  return { targets: [run] };
}

// ---- what is done with runs that live ----

function beginVerb(ports: DeedPorts, fire: StoredFire, plan: Plan): Begun {
  const verb = verbOf(plan);
  const live = present(ports, fire);
  if (live.length === 0) {
    // Its shim, or the thread, was faster.
    if ((verb === 'kill' || verb === 'stop') && seenDeed(ports, fire)) return { result: 'ok' };
    const verdict = verdicts[verb].none;
    if (verdict === 'done') return { result: 'ok', reason: 'not running already' };
    return refused(verdict === 'act' ? 'not-running' : verdict, fire, undefined);
  }
  const targets: string[] = [];
  let ending: Ending = { result: 'ok', reason: 'so already' };
  for (const stored of live) {
    const { run } = stored.process;
    const { process } = stored;
    const verdict = verdictOf(verb, judgedState(process), isPreempted(process));
    if (verdict === 'act') targets.push(run);
    else if (verdict !== 'done') ending = refused(verdict, fire, stored);
  }
  if (targets.length === 0) return ending;
  for (const run of targets) {
    if (verb === 'signal') {
      const { signal = 'SIGTERM' } = plan;
      ports.act({ type: 'signal', run, signal, order: orderOf(fire, run).item });
    } else apply(ports, run, fire);
  }
  return { targets };
}

function apply(ports: DeedPorts, run: string, { action, schedule }: StoredFire): void {
  const who = `schedule ${schedule}`;
  if (action === 'suspend') suspendByHand(ports.runs(), run, who);
  else if (action === 'resume') resumeByHand(ports.runs(), run, who);
  else if (action === 'stop') ports.runs().apply(run, { event: 'want-stop', who });
  else if (action === 'kill') ports.runs().apply(run, { event: 'want-kill', who });
}

function refused(code: ErrorCode, fire: StoredFire, stored: StoredRun | undefined): Ending {
  const run = stored?.process.run ?? '';
  return { result: 'failed', reason: refusal(code, orderOf(fire, run), stored?.process).text };
}

// ---- code ----

function beginBundle(ports: DeedPorts, fire: StoredFire, plan: Plan): Ending {
  const { bundle = '', digest, sizeBytes, signature } = plan;
  const key = `bundle:${bundle}`;
  const bundles = ports.bundles();
  if (fire.action === 'load') {
    const content = { bundle, digest, sizeBytes, signature };
    bundles.assign({ item: key, generation: 0, entry: 'bundle', ...content });
    const state = digest === undefined ? 'loaded' : bundles.judge(digest, bundle);
    if (state === 'loaded') return { result: 'ok' };
    return state.failed
      ? { result: 'failed', reason: state.reason }
      : { result: 'ok', reason: state.reason };
  }
  const runs = ports.runs();
  const users = [...runs.live()].filter(({ order }) => order.bundle === bundle);
  const [user] = users;
  if (user && !plan.force) {
    const reason = `bundle "${bundle}" is in use by run ${user.process.run}`;
    return { result: 'failed', reason };
  }
  for (const { process } of users) runs.apply(process.run, { event: 'want-stop' });
  bundles.remove(key);
  return { result: 'ok' };
}

// ---- words ----

export function orderOf(fire: StoredFire, run: string): Item {
  const item = `fire:${fire.schedule}/${fire.plannedUs}`;
  return { item, generation: 0, entry: 'order', verb: fire.action, run, task: fire.task };
}

function reasonOf({ text }: Shape<'answer'>, { process }: StoredRun): string | undefined {
  return process.errorCode === 'cancelled' ? 'cancelled before it began' : text;
}

/** The answer that a signal's sender gives. */
export function signalEnding(reason: string | undefined): Ending {
  return reason === undefined ? { result: 'ok' } : { result: 'failed', reason };
}

export const interruptedEnding: Ending = {
  result: 'lost',
  reason: 'the agent ended at that instant: whether it was done cannot be known',
};
