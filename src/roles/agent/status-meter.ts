/**
 * The status a program gives itself, let through at a bounded rate: some at once, then one in a
 * while, always the newest. A row is journaled, and a program may say it in a loop.
 */
import { limits } from '../../base/limits.ts';

export class StatusMeter {
  /** How many may go at once, as of then. */
  #room: number = limits.statusBurst;
  #roomMs: number;
  #waiting: string | undefined;

  constructor(nowMs: number) {
    this.#roomMs = nowMs;
  }

  say(text: string): void {
    this.#waiting = text;
  }

  /** When what waits may go. */
  get dueMs(): number | undefined {
    if (this.#waiting === undefined) return undefined;
    return this.#roomMs + Math.max(0, 1 - this.#room) * limits.statusEveryMs;
  }

  /** What may go now; undefined: nothing. */
  take(nowMs: number): string | undefined {
    if ((this.dueMs ?? Number.POSITIVE_INFINITY) > nowMs) return undefined;
    const earned = (nowMs - this.#roomMs) / limits.statusEveryMs;
    this.#room = Math.max(0, Math.min(limits.statusBurst, this.#room + earned) - 1);
    this.#roomMs = nowMs;
    const text = this.#waiting;
    this.#waiting = undefined;
    return text;
  }
}
