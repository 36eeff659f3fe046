/**
 * One step of a run's liveness (liveness.ts) as it goes: the state so far and what is to be done,
 * with the ways both are changed. Pure; it lives no longer than its step, and knows no input.
 */
import type { Cause, Clock, Liveness, LivenessAction, LivenessRule } from './liveness-rule.ts';
import { type TrackEvent, trackTable } from './liveness-table.ts';

export const idle: Liveness = {
  ...{ phase: 'off', held: false, signs: 'off', health: 'off', periodMs: undefined },
  ...{ failures: 0, checking: false, due: {} },
};

/**
 * Half of the period, and a tenth of it more: programs speak at half of it, as they are advised to
 * (sd_watchdog_enabled(3)), and must not be late each time.
 */
const WARN_PART = 0.6;

export const warnMs = (periodMs: number): number => Math.round(periodMs * WARN_PART);

export class Deeds {
  readonly rule: LivenessRule;
  readonly nowMs: number;
  readonly actions: LivenessAction[] = [];
  now: Liveness;

  constructor(rule: LivenessRule, before: Liveness, nowMs: number) {
    this.rule = rule;
    this.now = before;
    this.nowMs = nowMs;
  }

  track(track: 'signs' | 'health', event: TrackEvent): void {
    const cell = trackTable[this.now[track]][event];
    if (cell === 'ignore') return;
    const [next, ...deeds] = cell;
    this.set({ [track]: next });
    for (const deed of deeds) {
      switch (deed) {
        case 'count-half':
        case 'count-anew':
          if (track === 'health') this.set({ failures: 0 });
          else this.count(warnMs(this.now.periodMs ?? 0), deed === 'count-anew');
          break;
        case 'count-full':
          if (track === 'signs') this.count(this.now.periodMs ?? 0, false);
          break;
        case 'count-none':
          if (track === 'signs') this.actions.push({ act: 'count', ms: 0, anew: false });
          break;
        case 'warn':
          this.actions.push({ act: 'warn', cause: track });
          break;
        case 'hang':
          this.hang(track);
          break;
        case 'calm':
          this.calm(track);
          break;
      }
    }
  }

  count(ms: number, anew: boolean): void {
    this.actions.push({ act: 'count', ms, anew });
  }

  /** What is under way already is not begun again. */
  hang(cause: Cause): void {
    if (this.now.hang !== undefined) return;
    this.set({ hang: cause });
    this.actions.push({ act: 'hang', cause });
  }

  /** It lives after all, as far as that cause knows. */
  calm(cause: Cause): void {
    if (this.now.hang === cause) this.set({ hang: undefined });
    this.actions.push({ act: 'calm' });
  }

  /** Nothing is counted until the next launch. */
  end(action: LivenessAction): void {
    this.stopCounting();
    this.now = idle;
    this.actions.push(action);
  }

  stopCounting(): void {
    if (this.now.signs !== 'off') this.actions.push({ act: 'count', ms: 0, anew: false });
  }

  periodOf(cause: Cause): number {
    const { health, startTimeoutMs = 0 } = this.rule;
    if (cause === 'start') return startTimeoutMs;
    if (cause === 'health') return (health?.everyMs ?? 0) * (health?.failures ?? 0);
    return this.now.periodMs ?? 0;
  }

  clock(clock: Clock, ms: number | undefined): void {
    const { [clock]: _, ...rest } = this.now.due;
    this.set({ due: ms === undefined ? rest : { ...rest, [clock]: this.nowMs + ms } });
  }

  set(change: Partial<Liveness>): void {
    this.now = { ...this.now, ...change };
  }
}
