/**
 * Whether the peer still lives. Whatever is heard is a sign of life; on silence it is pinged, and
 * after `pingMissed` intervals it is dead: a cut cable says nothing. Intervals are counted, not
 * subtracted, so a process that slept itself asks before it judges.
 */
import { limits } from '../base/limits.ts';

export class Pulse {
  #everyMs: number;
  #unheard = 0;
  #nextMs = Number.POSITIVE_INFINITY;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  get nextMs(): number {
    return this.#nextMs;
  }

  /** How long the silence was that counts as death. */
  get silenceMs(): number {
    return this.#everyMs * limits.pingMissed;
  }

  start(everyMs: number, nowMs: number): void {
    this.#everyMs = Math.max(1, everyMs);
    this.heard(nowMs);
  }

  heard(nowMs: number): void {
    this.#unheard = 0;
    this.#nextMs = nowMs + this.#everyMs;
  }

  tick(nowMs: number): 'fine' | 'ping' | 'dead' {
    if (nowMs < this.#nextMs) return 'fine';
    this.#unheard += 1;
    this.#nextMs = nowMs + this.#everyMs;
    return this.#unheard >= limits.pingMissed ? 'dead' : 'ping';
  }
}
