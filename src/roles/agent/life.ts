/** What is kept of a launch whose liveness is watched (vitals.ts). */
import { limits } from '../../base/limits.ts';
import { newLiveness } from '../../supervisor/liveness.ts';
import type { Liveness, LivenessRule } from '../../supervisor/liveness-rule.ts';
import { StatusMeter } from './status-meter.ts';

export interface Life {
  readonly rule: LivenessRule;
  readonly launch: number;
  liveness: Liveness;
  /** When it last said that it was ready: older words of reloading are told again, not said. */
  readyUs: number;
  /** What the last health check had to say. */
  checked: string;
  readonly status: StatusMeter;
  readonly warning: Warning;
}

/** What was told of the launch before is not told more often because there is another. */
export function newLife(
  known: Life | undefined,
  { rule, launch, nowMs }: { rule: LivenessRule; launch: number; nowMs: number },
): Life {
  const { status = new StatusMeter(nowMs), warning = new Warning() } = known ?? {};
  const { readyUs = 0, checked = '' } = known ?? {};
  return { rule, launch, liveness: newLiveness(), readyUs, checked, status, warning };
}

/**
 * A program that is late again and again, as all are on a machine that is too busy, is warned of
 * once in a while: an event is journaled, and to look at a tree is work.
 */
export class Warning {
  #toldMs: number | undefined;
  #isTold = false;

  /** Whether it is told of. */
  begin(nowMs: number): boolean {
    this.#isTold = this.#toldMs === undefined || nowMs - this.#toldMs >= limits.warnEveryMs;
    if (this.#isTold) this.#toldMs = nowMs;
    return this.#isTold;
  }

  /** A hang is always told of. */
  hung(): void {
    this.#isTold = true;
  }

  /** Whether there is something told that is over now. */
  end(): boolean {
    const was = this.#isTold;
    this.#isTold = false;
    return was;
  }
}
