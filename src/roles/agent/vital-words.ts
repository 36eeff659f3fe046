/** Why a run is taken for hung, or nearly, for people. */
import { roughDurationMs } from '../../base/duration.ts';
import { warnMs } from '../../supervisor/liveness-deeds.ts';
import type { Cause, Liveness, LivenessRule } from '../../supervisor/liveness-rule.ts';

export interface Judged {
  readonly rule: LivenessRule;
  readonly liveness: Liveness;
  /** What the last health check had to say. */
  readonly checked: string;
}

export function wordsOf(cause: Cause, step: 'warn' | 'hang', life: Judged): string {
  const { liveness, checked, rule } = life;
  const { periodMs = 0, failures } = liveness;
  const duration = (ms: number): string => roughDurationMs(Math.round(ms));
  switch (cause) {
    case 'signs':
      return step === 'hang'
        ? `no sign of life for ${duration(periodMs)}`
        : `no sign of life for ${duration(warnMs(periodMs))}, hung after ${duration(periodMs)}`;
    case 'trigger':
      return 'it said so itself (WATCHDOG=trigger)';
    case 'health': {
      const times = failures === 1 ? 'failed' : `failed ${failures} times in a row`;
      return `the health check ${times}${checked === '' ? '' : `: ${checked}`}`;
    }
    case 'start':
    default:
      return `not ready within ${duration(rule.startTimeoutMs ?? 0)}`;
  }
}
