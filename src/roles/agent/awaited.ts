/** What else than room a pending run waits for, or why it never will go. */
import type { Input } from '../../supervisor/process.ts';
import { hasEnded } from '../../supervisor/states.ts';
import type { Bundles } from './bundles.ts';
import type { Hold } from './dependencies.ts';
import type { StoredRun } from './events.ts';
import type { Runs } from './runs.ts';

export interface Around {
  /** By other tasks. */
  readonly hold: Hold | undefined;
  readonly bundles: Bundles;
  /** The run it replaces. */
  readonly previous: StoredRun | undefined;
  readonly lease: () => string | undefined;
}

/** Whether it replaces runs of that task. */
export function replaces(stored: StoredRun | undefined, task: string | undefined): boolean {
  return stored?.order.previous !== undefined && stored.order.task === task;
}

/** What it replaces and still lives: a run, or another of its task that is being ended. */
export function replacedBy(
  { order: { previous, task } }: StoredRun,
  runs: Pick<Runs, 'get' | 'liveOf'>,
): StoredRun | undefined {
  if (previous === undefined) return undefined;
  const first = runs.get(previous);
  if (first && !hasEnded(first.process.state)) return first;
  return runs.liveOf(task).find(({ process }) => process.wish === 'down');
}

/** In words; or what it ends with; undefined: it waits for nothing of this. */
export function awaitedBy(
  { order }: StoredRun,
  { hold, bundles, previous, lease }: Around,
): string | Pick<Input, 'reason' | 'errorCode'> | undefined {
  const { digest, bundle: name = digest } = order;
  if (hold && 'failed' in hold) return { reason: hold.failed, errorCode: 'wrong-state' };
  if (digest !== undefined && name !== undefined) {
    bundles.need(digest, name);
    const bundle = bundles.judge(digest, name);
    if (bundle !== 'loaded') {
      const { failed, reason } = bundle;
      return failed ? { reason, errorCode: 'bundle-failed' } : reason;
    }
  }
  if (previous && !hasEnded(previous.process.state)) {
    return `waits for the end of ${previous.process.run}`;
  }
  return hold?.waits ?? lease();
}
