/**
 * What somebody's suspend and resume do to a run, beside what the want of room does: two reasons to
 * be suspended, and it runs when there is neither.
 */
import { isPreempted } from '../../supervisor/preemption.ts';
import type { Runs } from './runs.ts';

export function suspendByHand(runs: Runs, run: string, who: string | undefined): void {
  const process = runs.get(run)?.process;
  const { preempted, state } = process ?? {};
  if (preempted && (isPreempted(process) || state === 'freezing')) {
    runs.note(run, { preempted: { ...preempted, held: true }, suspendedBy: who });
  } else runs.apply(run, { event: 'want-suspend', who });
}

/** What has no room goes on when there is some. */
export function resumeByHand(runs: Runs, run: string, who?: string): void {
  const { preempted, state } = runs.get(run)?.process ?? {};
  if (state === 'suspended' && preempted?.held) {
    runs.note(run, { preempted: { ...preempted, held: undefined }, suspendedBy: undefined });
  } else runs.apply(run, { event: 'want-resume', who });
}
