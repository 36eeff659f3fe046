/**
 * After a start of the agent: what became of each run meanwhile. The tables say what was known,
 * the run directories and shims say what is; nothing is guessed. A run that cannot be known to
 * have ended in some way is `lost`, and what is left of it is killed, which its reason says.
 */
import { preemptedBy, preemptorText } from '../../supervisor/preemption.ts';
import { newProcess } from '../../supervisor/process.ts';
import { relaunched, rested } from '../../supervisor/relaunch.ts';
import { hasEnded, type State } from '../../supervisor/states.ts';
import type { AgentAction, FoundRun, StoredRun, Time } from './events.ts';
import type { Fires } from './fires.ts';
import type { Leases } from './leases.ts';
import type { Runs } from './runs.ts';

/** Stored states that stand for one the run is taken up in; the wish decides the rest. */
const takenUp: Partial<Record<State, State>> = {
  pending: 'launching',
  freezing: 'running',
  suspended: 'running',
  thawing: 'running',
  stopping: 'running',
  killing: 'running',
  leaving: 'running',
  clearing: 'running',
  losing: 'running',
};

export interface Adoption {
  readonly runs: Runs;
  readonly act: (action: AgentAction) => void;
  readonly time: () => Time;
  readonly leases: Pick<Leases, 'over'>;
  readonly fires: Pick<Fires, 'isDueToEnd'>;
}

export function adoptRuns(
  adoption: Adoption,
  stored: readonly StoredRun[],
  found: readonly FoundRun[],
): void {
  const byRun = new Map(found.map((one) => [one.run, one]));
  for (const run of stored) adoption.runs.load(run);
  for (const { run, acted = [] } of found) for (const one of acted) adoption.runs.acted(run, one);
  for (const run of stored) {
    const there = byRun.get(run.process.run);
    byRun.delete(run.process.run);
    if (run.removing) adoption.act({ type: 'remove', run: run.process.run });
    else if (!hasEnded(run.process.state) && isOvertaken(run, found)) {
      adoption.runs.apply(run.process.run, { event: 'want-stop' });
    } else if (!hasEnded(run.process.state)) {
      adopt(adoption, adoption.runs.get(run.process.run) ?? run, there);
    } else if (there?.found.kind === 'alive')
      adoption.act({ type: 'attach', run: run.process.run });
  }
  for (const there of byRun.values()) {
    const { run, order } = there;
    // Never launched, or nobody's: the order, if it still stands, comes or is stored again.
    const { kind } = there.found;
    if (order === undefined || kind === 'unlaunched' || kind === 'disarmed') {
      adoption.act({ type: 'remove', run });
      continue;
    }
    const { spec, at = 0 } = order;
    const rule = { signal: spec?.stopSignal, graceMs: spec?.stopGraceMs };
    const made: StoredRun = { process: newProcess(run, at, rule), order };
    adopt(adoption, made, there);
  }
}

/**
 * It waited for the end of a run, and another that waited for the same, of a later instant, was
 * launched meanwhile: so it had been cancelled for that, though this had not become durable.
 */
function isOvertaken({ order, process }: StoredRun, found: readonly FoundRun[]): boolean {
  const { previous, task, at = 0 } = order;
  if (process.state !== 'pending' || previous === undefined) return false;
  const own = found.find(({ run }) => run === process.run)?.found.kind ?? 'unlaunched';
  return (
    own === 'unlaunched' &&
    found.some(({ order: other, found: { kind } }) => {
      const isLater = other?.task === task && other?.previous !== undefined && (other.at ?? 0) > at;
      return isLater && kind !== 'unlaunched' && kind !== 'disarmed';
    })
  );
}

function adopt(adoption: Adoption, known: StoredRun, there: FoundRun | undefined): void {
  const { runs, act } = adoption;
  const stored = there === undefined ? known : atLaunch(known, there.launch ?? 0);
  const { process } = stored;
  const { run, restarts } = process;
  const found = there?.found;
  const between = there !== undefined && restarts > (there.launch ?? 0);
  if (between || (restarts > 0 && found?.kind === 'unlaunched')) {
    runs.replace({ ...stored, process: rested(process, adoption.time()) });
    if (process.wish === 'down') runs.apply(run, { event: 'want-stop' });
    return;
  }
  if (found === undefined || found.kind === 'unlaunched') {
    if (process.startedAt !== undefined) {
      take(runs, stored);
      runs.apply(run, { event: 'detached', reason: 'its run directory is gone' });
      return;
    }
    if (found) act({ type: 'remove', run });
    // Not begun: it waits again for what it needs, and is launched then.
    runs.replace({ ...stored, process: { ...process, state: 'pending' } });
    if (process.wish === 'down') runs.apply(run, { event: 'want-stop' });
    return;
  }
  take(runs, stored);
  switch (found.kind) {
    case 'alive':
      act({ type: 'attach', run });
      resume(runs, stored, found.frozen);
      break;
    case 'recorded': {
      if (found.started) runs.apply(run, { event: 'started', started: found.started });
      else if (process.startedAt === undefined) runs.apply(run, { event: 'started' });
      if (found.lapsed) adoption.leases.over(run);
      if (adoption.fires.isDueToEnd(stored, found.end)) runs.note(run, { wish: 'down' });
      runs.apply(run, { event: 'ended-leaving', end: found.end });
      // Its shim is gone: nobody would tell when the rest has ended.
      runs.apply(run, { event: 'detached' });
      break;
    }
    case 'disarmed':
      runs.apply(run, { event: 'disarmed' });
      break;
    case 'not-started': {
      const { reason, errorCode } = found;
      const launching: StoredRun = { ...stored, process: { ...process, state: 'launching' } };
      runs.replace(launching);
      runs.apply(run, { event: 'launch-failed', reason, errorCode });
      break;
    }
    case 'dead':
      if (process.exitedAt !== undefined) {
        // How it ended had been seen; only of what it left behind nothing is known.
        runs.replace({ ...stored, process: { ...process, state: 'leaving' } });
      }
      runs.apply(run, { event: 'detached', reason: found.reason });
      break;
  }
}

/** A launch that was begun, though the tables do not say so yet. */
function atLaunch(stored: StoredRun, launch: number): StoredRun {
  const { process } = stored;
  const isNewer = launch > process.restarts;
  if (!isNewer && !(launch === process.restarts && process.state === 'backoff')) return stored;
  return { ...stored, process: relaunched({ ...process, restarts: launch }) };
}

function take(runs: Runs, stored: StoredRun): void {
  const { process } = stored;
  const begun = process.startedAt !== undefined;
  const state = begun ? (takenUp[process.state] ?? process.state) : 'launching';
  runs.replace({ ...stored, process: { ...process, state, exitedAt: undefined } });
}

/** A living run as it was left: suspended stays so, what was being ended goes on being ended. */
function resume(runs: Runs, stored: StoredRun, frozen: boolean): void {
  const { process } = stored;
  const { run, wish, state } = process;
  const now = runs.get(run);
  if (!now) return;
  const bySelf = runs.shimActs.since(run, 'freeze', 0);
  const isHeld = state === 'freezing' || state === 'suspended' || state === 'thawing';
  const { preempted } = process;
  const wasHeld = isHeld || bySelf !== undefined || preempted?.how === 'suspend';
  // Somebody else's SIGSTOP looks the same where there is no group to freeze.
  if (frozen && wasHeld && now.process.state === 'running') {
    const { suspendedAt = bySelf?.atUs ?? preempted?.atUs } = now.process;
    const held = { ...now.process, state: 'suspended', suspendedAt } as const;
    runs.replace({ ...now, process: preemptedBy(held) });
  } else if (!frozen && (isHeld || (state === 'running' && preempted?.how === 'suspend'))) {
    // Nobody had got to it, or it has been let go since: it runs, and has its room.
    const goesOn = { ...now.process, suspendedAt: undefined, preempted: undefined };
    runs.replace({ ...now, process: goesOn });
  }
  if (preempted?.how === 'kill' && wish === 'up') {
    const reason = `made room for ${preemptorText(preempted)}`;
    runs.apply(run, { event: 'give-way', ending: { reason, again: true } });
  }
  if (wish !== 'down') return;
  const hard = state === 'killing' || state === 'clearing';
  runs.apply(run, { event: hard ? 'want-kill' : 'want-stop' });
}
