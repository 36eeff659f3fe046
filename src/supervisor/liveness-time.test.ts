/**
 * Liveness over virtual time: a program that speaks as its script says, a shim that counts silence
 * as shim.c does, an agent that is frozen now and then. What was decided is held against what the
 * program really did.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { livenessDueMs, newLiveness, stepLiveness } from './liveness.ts';
import type { LivenessInput, LivenessRule } from './liveness-rule.ts';

interface Script {
  /** Pauses between its signs of life; after the last it is silent for ever. */
  readonly pausesMs: readonly number[];
  readonly readyAfterMs: number;
  /** When the agent does not run, from and for how long. */
  readonly freezes: readonly (readonly [number, number])[];
}

interface Seen {
  readonly warnedMs: number[];
  readonly hungMs: number[];
  /** When the program was last heard by its shim, at each of these. */
  readonly silentAtWarn: number[];
  readonly silentAtHang: number[];
  readonly markedMs: number[];
}

const STEP_MS = 5;

class Shim {
  #quietMs = 0;
  #fromMs = 0;
  #told = false;
  #wanted = false;
  readonly out: LivenessInput[] = [];
  lastSignMs = 0;

  count(ms: number, anew: boolean, nowMs: number): void {
    if (anew || this.#quietMs === 0) {
      this.#fromMs = nowMs;
      this.#wanted = true;
    }
    this.#quietMs = ms;
    this.#told = false;
    this.look(nowMs);
  }

  sign(nowMs: number): void {
    this.lastSignMs = nowMs;
    if (this.#quietMs === 0 || this.#wanted) this.out.push({ event: 'sign' });
    this.#fromMs = nowMs;
    this.#told = false;
    this.#wanted = false;
  }

  look(nowMs: number): void {
    const silentMs = nowMs - this.#fromMs;
    if (this.#quietMs === 0 || this.#told || silentMs < this.#quietMs) return;
    this.#told = true;
    this.#wanted = true;
    this.out.push({ event: 'quiet', silentMs });
  }
}

/** Runs until `untilMs`; a restart ends it. */
function live(rule: LivenessRule, script: Script, untilMs: number): Seen {
  const shim = new Shim();
  const seen: Seen = {
    ...{ warnedMs: [], hungMs: [], silentAtWarn: [], silentAtHang: [], markedMs: [] },
  };
  let liveness = newLiveness();
  let nextSignMs = script.pausesMs[0] ?? Number.POSITIVE_INFINITY;
  let signs = 0;
  const run = { ended: false };
  const take = (input: LivenessInput, nowMs: number): void => {
    const step = stepLiveness(rule, liveness, input, nowMs);
    ({ liveness } = step);
    for (const action of step.actions) {
      if (action.act === 'count') shim.count(action.ms, action.anew, nowMs);
      if (action.act === 'mark') {
        seen.markedMs.push(nowMs);
        shim.out.push({ event: 'marked' });
      }
      if (action.act === 'warn') {
        seen.warnedMs.push(nowMs);
        seen.silentAtWarn.push(nowMs - shim.lastSignMs);
      }
      if (action.act === 'hang') {
        seen.hungMs.push(nowMs);
        seen.silentAtHang.push(nowMs - shim.lastSignMs);
        shim.out.push({ event: 'inspected' });
      }
      if (action.act === 'restart') run.ended = true;
    }
  };
  take({ event: 'started', sinceMs: 0, ranMs: 0 }, 0);
  for (let nowMs = 0; nowMs <= untilMs && !run.ended; nowMs += STEP_MS) {
    if (nowMs >= script.readyAfterMs && nowMs < script.readyAfterMs + STEP_MS) {
      shim.out.push({ event: 'ready' });
    }
    while (nextSignMs <= nowMs) {
      shim.sign(nowMs);
      signs += 1;
      nextSignMs += script.pausesMs[signs] ?? Number.POSITIVE_INFINITY;
    }
    shim.look(nowMs);
    const frozen = script.freezes.some(([from, forMs]) => nowMs >= from && nowMs < from + forMs);
    if (frozen) continue;
    // A loop that wakes looks at its timers first, then reads.
    if ((livenessDueMs(liveness) ?? Number.POSITIVE_INFINITY) <= nowMs) {
      take({ event: 'tick' }, nowMs);
    }
    for (let next = shim.out.shift(); next && !run.ended; next = shim.out.shift())
      take(next, nowMs);
  }
  return seen;
}

const W = 1_000;
const rule: LivenessRule = { watchdogMs: W, onHang: 'restart', graceMs: 1_000 };
const freezes = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 60_000 })),
  { maxLength: 4 },
);

test('who speaks in time is left alone, however long the agent was frozen', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: W * 0.6 - 2 * STEP_MS }), {
        minLength: 150,
        maxLength: 200,
      }),
      freezes,
      (pausesMs, frozen) => {
        const untilMs = pausesMs.reduce((sum, ms) => sum + ms, 0);
        const script = { pausesMs, readyAfterMs: 0, freezes: frozen };
        const { warnedMs, hungMs } = live(rule, script, untilMs);
        expect([warnedMs, hungMs]).toEqual([[], []]);
      },
    ),
    { numRuns: 60 },
  );
});

test('who falls silent is warned of at half, hung at the whole, as soon as the agent can', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: W * 0.6 - 2 * STEP_MS }), { minLength: 1, maxLength: 20 }),
      freezes,
      (pausesMs, frozen) => {
        const lastMs = pausesMs.reduce((sum, ms) => sum + ms, 0);
        const untilMs = 400_000;
        const seen = live(rule, { pausesMs, readyAfterMs: 0, freezes: frozen }, untilMs);
        expect([seen.warnedMs.length, seen.hungMs.length]).toEqual([1, 1]);
        const [silentMs = 0] = seen.silentAtHang;
        expect(silentMs).toBeGreaterThanOrEqual(W);
        expect(seen.silentAtWarn[0]).toBeGreaterThanOrEqual(W * 0.6);
        // From when it is due the agent needs no more than to be awake.
        let dueMs = lastMs + W;
        for (let more = true; more; ) {
          more = false;
          for (const [from, forMs] of frozen) {
            if (dueMs >= from && dueMs < from + forMs) {
              dueMs = from + forMs;
              more = true;
            }
          }
        }
        expect(seen.hungMs[0]).toBeLessThanOrEqual(dueMs + 6 * STEP_MS);
      },
    ),
    { numRuns: 100 },
  );
});

test('pauses of any length: no hang without a silence of the whole period, none of them missed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 3 * W }), { minLength: 1, maxLength: 30 }),
      (pausesMs) => {
        const seen = live(rule, { pausesMs, readyAfterMs: 0, freezes: [] }, 200_000);
        expect(seen.hungMs).toHaveLength(1);
        expect(seen.silentAtHang[0]).toBeGreaterThanOrEqual(W);
        let atMs = 0;
        for (const pause of [...pausesMs, Number.POSITIVE_INFINITY]) {
          if (pause >= W + 2 * STEP_MS) break;
          // What is on the edge may be either.
          if (pause >= W - 2 * STEP_MS) return;
          atMs += pause;
        }
        expect(seen.hungMs[0]).toBeGreaterThanOrEqual(atMs + W - STEP_MS);
        expect(seen.hungMs[0]).toBeLessThanOrEqual(atMs + W + 6 * STEP_MS);
      },
    ),
    { numRuns: 150 },
  );
});

test('ready in time is ready in time, though the agent woke up long after the limit', () => {
  const starting: LivenessRule = { startTimeoutMs: 2_000, onHang: 'restart', graceMs: 1_000 };
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000 }), freezes, (readyAfterMs, frozen) => {
      const script = { pausesMs: [], readyAfterMs, freezes: frozen };
      const { hungMs } = live(starting, script, 120_000);
      const inTime = readyAfterMs < 2_000 - STEP_MS;
      // An agent that was away learns too late that it was late: that is let pass.
      fc.pre(inTime || (frozen.length === 0 && readyAfterMs > 2_000 + 2 * STEP_MS));
      expect(hungMs).toHaveLength(inTime ? 0 : 1);
    }),
    { numRuns: 100 },
  );
});
