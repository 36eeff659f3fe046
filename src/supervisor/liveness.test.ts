import fc from 'fast-check';
import { expect, test } from 'vitest';
import { awaitsReady, livenessDueMs, newLiveness, stepLiveness } from './liveness.ts';
import type {
  Liveness,
  LivenessAction,
  LivenessInput,
  LivenessRule,
  OnHang,
} from './liveness-rule.ts';
import { type PhaseEvent, phases, phaseTable, tracks, trackTable } from './liveness-table.ts';

const rule = (more: Partial<LivenessRule> = {}): LivenessRule => {
  return { onHang: 'restart', graceMs: 10_000, ...more };
};

/** A run in the hands of a test: what was done so far, in words. */
class Watched {
  readonly rule: LivenessRule;
  liveness: Liveness = newLiveness();
  nowMs = 1_000;
  done: LivenessAction[] = [];

  constructor(more: Partial<LivenessRule>) {
    this.rule = rule(more);
  }

  do(input: LivenessInput): string {
    const step = stepLiveness(this.rule, this.liveness, input, this.nowMs);
    this.liveness = step.liveness;
    this.done.push(...step.actions);
    return words(step.actions);
  }

  start(sinceMs = 0, ranMs = sinceMs): string {
    return this.do({ event: 'started', sinceMs, ranMs });
  }

  event(event: 'sign' | 'ready' | 'ended' | 'tick'): string {
    return this.do({ event });
  }

  checked(result: 'passed' | 'failed' | 'void'): string {
    return this.do({ event: 'checked', result });
  }

  pass(ms: number): this {
    this.nowMs += ms;
    return this;
  }
}

function words(actions: readonly LivenessAction[]): string {
  return actions
    .map((action) => {
      if (action.act === 'count') return `count ${action.ms}${action.anew ? ' anew' : ''}`;
      return 'cause' in action ? `${action.act} ${action.cause}` : action.act;
    })
    .join(', ');
}

test('signs: half the period is a warning, the whole a hang; what follows is done after a look', () => {
  const run = new Watched({ watchdogMs: 1_000 });
  expect(run.start()).toBe('count 600');
  expect(run.pass(600).do({ event: 'quiet', silentMs: 600 })).toBe('warn signs, count 1000');
  expect(run.pass(500).do({ event: 'quiet', silentMs: 1_000 })).toBe('hang signs');
  expect(run.do({ event: 'inspected' })).toBe('count 0, restart signs');
  expect(run.liveness.phase).toBe('off');
});

test('a sign after the warning, or before the look is over, ends it', () => {
  const run = new Watched({ watchdogMs: 1_000 });
  run.start();
  run.do({ event: 'quiet', silentMs: 600 });
  expect(run.event('sign')).toBe('calm, count 600, ready');
  run.do({ event: 'quiet', silentMs: 600 });
  run.do({ event: 'quiet', silentMs: 1_000 });
  expect(run.event('sign')).toBe('calm, count 600');
  expect(run.do({ event: 'inspected' })).toBe('');
  expect(run.liveness.signs).toBe('fine');
});

test('a word about less silence than is counted now is about a time that is over', () => {
  const run = new Watched({ watchdogMs: 1_000 });
  run.start();
  expect(run.do({ event: 'quiet', silentMs: 599 })).toBe('');
  run.do({ event: 'quiet', silentMs: 600 });
  expect(run.do({ event: 'quiet', silentMs: 999 })).toBe('');
});

test('suspended, nothing counts, and every clock goes on where it was', () => {
  const run = new Watched({ watchdogMs: 1_000, runTimeoutMs: 5_000 });
  run.start();
  expect(run.pass(1_000).do({ event: 'suspended' })).toBe('count 0');
  expect(livenessDueMs(run.liveness)).toBeUndefined();
  expect(run.pass(60_000).do({ event: 'quiet', silentMs: 60_000 })).toBe('');
  expect(run.do({ event: 'tick' })).toBe('');
  expect(run.do({ event: 'resumed' })).toBe('count 600');
  expect(livenessDueMs(run.liveness)).toBe(run.nowMs + 4_000);
});

test('suspended between a hang and the look at it, nothing is done', () => {
  const run = new Watched({ watchdogMs: 1_000 });
  run.start();
  run.do({ event: 'quiet', silentMs: 600 });
  run.do({ event: 'quiet', silentMs: 1_000 });
  run.do({ event: 'suspended' });
  expect(run.do({ event: 'inspected' })).toBe('');
  expect(run.do({ event: 'resumed' })).toBe('count 600');
});

test('a start timeout that is longer covers the time until it is ready', () => {
  const run = new Watched({ watchdogMs: 1_000, startTimeoutMs: 60_000 });
  expect(run.start()).toBe('');
  expect(run.do({ event: 'quiet', silentMs: 30_000 })).toBe('');
  expect(run.event('ready')).toBe('ready, count 600');
  const other = new Watched({ watchdogMs: 1_000, startTimeoutMs: 500 });
  expect(other.start()).toBe('count 600');
});

test('not ready in time: a hang, but not before all that was said is heard', () => {
  const run = new Watched({ startTimeoutMs: 1_000 });
  run.start();
  expect(livenessDueMs(run.liveness)).toBe(2_000);
  expect(run.pass(60_000).event('tick')).toBe('mark');
  expect(livenessDueMs(run.liveness)).toBeUndefined();
  expect(run.event('ready')).toBe('ready');
  expect(run.do({ event: 'marked' })).toBe('');
  const late = new Watched({ startTimeoutMs: 1_000 });
  late.start();
  late.pass(1_000).event('tick');
  expect(late.do({ event: 'marked' })).toBe('hang start');
  expect(late.event('ready')).toBe('ready, calm');
  expect(late.do({ event: 'inspected' })).toBe('');
});

test('what ran out after the question waits for the next one', () => {
  const run = new Watched({ startTimeoutMs: 1_000, runTimeoutMs: 1_001 });
  run.start();
  run.pass(1_000).event('tick');
  run.pass(5);
  expect(run.do({ event: 'marked' })).toBe('hang start');
  expect(run.event('tick')).toBe('mark');
  expect(run.do({ event: 'marked' })).toBe('overdue');
});

test('a run timeout counts what was before an agent came back, and is moved by the program', () => {
  const run = new Watched({ runTimeoutMs: 10_000 });
  expect(run.start(2_000, 7_000)).toBe('ready');
  expect(livenessDueMs(run.liveness)).toBe(run.nowMs + 3_000);
  run.do({ event: 'extend', ms: 2_000 });
  expect(livenessDueMs(run.liveness)).toBe(run.nowMs + 3_000);
  run.do({ event: 'extend', ms: 8_000 });
  expect(livenessDueMs(run.liveness)).toBe(run.nowMs + 8_000);
  run.pass(8_000).event('tick');
  expect(run.do({ event: 'marked' })).toBe('overdue');
  expect(run.liveness).toEqual(newLiveness());
});

test('who says that it is stopping is not watched, and has its grace', () => {
  const run = new Watched({ watchdogMs: 1_000, graceMs: 3_000 });
  run.start();
  run.event('ready');
  expect(run.do({ event: 'stopping' })).toBe('unready, count 0');
  expect(run.do({ event: 'trigger' })).toBe('');
  expect(run.event('ready')).toBe('');
  expect(livenessDueMs(run.liveness)).toBe(run.nowMs + 3_000);
  run.pass(3_000).event('tick');
  expect(run.do({ event: 'marked' })).toBe('linger');
});

test('reloading is not ready until it says so', () => {
  const run = new Watched({ watchdogMs: 1_000 });
  run.start();
  expect(run.do({ event: 'reloading' })).toBe('');
  run.event('ready');
  expect(run.do({ event: 'reloading' })).toBe('unready');
  expect(run.event('sign')).toBe('');
  expect(run.event('ready')).toBe('ready');
});

test('health: due by its period, one at a time; the first that passes makes it ready', () => {
  const health = { everyMs: 1_000, failures: 4, delayMs: 300 };
  const run = new Watched({ health });
  expect(run.start()).toBe('');
  expect(livenessDueMs(run.liveness)).toBe(run.nowMs + 300);
  expect(run.pass(300).event('tick')).toBe('check');
  expect(livenessDueMs(run.liveness)).toBeUndefined();
  expect(run.pass(5_000).event('tick')).toBe('');
  expect(run.checked('passed')).toBe('ready');
  expect(run.event('tick')).toBe('check');
});

test('health: failures in a row, half of them a warning; void ones do not count', () => {
  const health = { everyMs: 1_000, failures: 4, delayMs: 0 };
  const run = new Watched({ health });
  run.start();
  run.checked('passed');
  expect(run.checked('failed')).toBe('');
  expect(run.checked('void')).toBe('');
  expect(run.checked('failed')).toBe('warn health');
  expect(run.checked('passed')).toBe('calm');
  for (const expected of ['', 'warn health', '', 'hang health', '']) {
    expect(run.checked('failed')).toBe(expected);
  }
  expect(run.do({ event: 'inspected' })).toBe('restart health');
});

test('health while it starts is judged by the start timeout, where there is one', () => {
  const health = { everyMs: 1_000, failures: 1, delayMs: 0 };
  const run = new Watched({ health, startTimeoutMs: 60_000 });
  run.start();
  expect(run.checked('failed')).toBe('');
  expect(run.checked('passed')).toBe('ready');
  expect(run.checked('failed')).toBe('hang health');
  const other = new Watched({ health });
  other.start();
  expect(other.checked('failed')).toBe('hang health');
});

test('health and signs do not answer for each other', () => {
  const health = { everyMs: 1_000, failures: 1, delayMs: 0 };
  const run = new Watched({ health, watchdogMs: 1_000 });
  run.start();
  run.checked('failed');
  expect(run.event('sign')).toBe('');
  run.do({ event: 'quiet', silentMs: 600 });
  expect(run.event('sign')).toBe('calm, count 600');
  expect(run.do({ event: 'inspected' })).toBe('count 0, restart health');
});

test('the program sets the period of its watchdog, or has none', () => {
  const run = new Watched({});
  expect(run.start()).toBe('ready');
  expect(run.do({ event: 'period', ms: 3_000 })).toBe('count 1800');
  expect(run.do({ event: 'period', ms: 4_000 })).toBe('count 2400 anew');
  expect(run.do({ event: 'period', ms: 0 })).toBe('count 0');
});

test.each([
  ['restart', 'count 0, restart trigger'],
  ['abort', 'count 0, abort trigger'],
  ['notify', ''],
] as const)('a hang, on-hang %s', (onHang, expected) => {
  const run = new Watched({ watchdogMs: 1_000, onHang });
  run.start();
  expect(run.do({ event: 'trigger' })).toBe('hang trigger');
  expect(run.do({ event: 'trigger' })).toBe('');
  expect(run.do({ event: 'inspected' })).toBe(expected);
});

test('notify: told once, told when it lives again, and told of the next', () => {
  const run = new Watched({ watchdogMs: 1_000, onHang: 'notify' });
  run.start();
  run.do({ event: 'quiet', silentMs: 600 });
  expect(run.do({ event: 'quiet', silentMs: 1_000 })).toBe('hang signs');
  run.do({ event: 'inspected' });
  expect(run.do({ event: 'quiet', silentMs: 2_000 })).toBe('');
  expect(run.event('sign')).toBe('calm, count 600, ready');
  run.do({ event: 'quiet', silentMs: 600 });
  expect(run.do({ event: 'quiet', silentMs: 1_000 })).toBe('hang signs');
});

test('continue: once; hung again soon it is restarted, much later continued again', () => {
  const hang = (run: Watched): string => {
    run.do({ event: 'quiet', silentMs: 600 });
    run.do({ event: 'quiet', silentMs: 1_000 });
    return run.do({ event: 'inspected' });
  };
  const run = new Watched({ watchdogMs: 1_000, onHang: 'continue' });
  run.start();
  expect(hang(run)).toBe('continue signs, count 600 anew');
  expect(hang(run.pass(1_000))).toBe('count 0, restart signs');
  const other = new Watched({ watchdogMs: 1_000, onHang: 'continue' });
  other.start();
  hang(other);
  other.event('sign');
  expect(hang(other.pass(2_001))).toBe('continue signs, count 600 anew');
});

test('who awaits nothing is ready as soon as it runs', () => {
  expect(new Watched({}).start()).toBe('ready');
  expect(awaitsReady(rule())).toBe(false);
  expect(awaitsReady(rule({ runTimeoutMs: 5 }))).toBe(false);
  for (const more of [{ watchdogMs: 5 }, { startTimeoutMs: 5 }]) {
    expect(awaitsReady(rule(more))).toBe(true);
  }
});

// ---- the tables ----

test('each cell of the phases leads where the life of a launch can go', () => {
  const events: PhaseEvent[] = ['started', 'ready', 'reloading', 'stopping', 'ended'];
  for (const phase of phases) {
    const row = phaseTable[phase];
    expect(Object.keys(row).toSorted()).toEqual(events.toSorted());
    expect(row.started).toEqual(['starting']);
    if (phase === 'off') {
      for (const event of events.slice(1)) expect(row[event]).toBe('ignore');
    } else expect(row.ended[0]).toBe('off');
    // Nothing but a new launch brings back what is leaving.
    if (phase === 'leaving') expect([row.ready, row.reloading]).toEqual(['ignore', 'ignore']);
    const tells = (event: PhaseEvent, deed: string): boolean =>
      (row[event] as readonly string[]).includes(deed);
    // It is told that it is ready exactly where it was not.
    expect(tells('ready', 'tell-ready')).toBe(phase === 'starting' || phase === 'reloading');
    if (phase === 'ready') expect(tells('reloading', 'tell-unready')).toBe(true);
  }
});

test('each cell of the tracks: told on the way down once each, on the way up once', () => {
  for (const track of tracks) {
    const row = trackTable[track];
    const deeds = (event: keyof typeof row): readonly string[] => row[event] as readonly string[];
    expect(row.begin[0]).toBe('fine');
    expect(deeds('half').includes('warn')).toBe(track === 'fine');
    expect(deeds('full').includes('hang')).toBe(track === 'fine' || track === 'quiet');
    expect(deeds('life').includes('calm')).toBe(track === 'quiet' || track === 'hung');
    if (track === 'off') expect(row.leave).toBe('ignore');
    else expect(row.leave).toEqual(['off', 'count-none']);
  }
});

// ---- random walks ----

const onHangs: readonly OnHang[] = ['restart', 'abort', 'continue', 'notify'];
const anyRule = fc.record(
  {
    watchdogMs: fc.integer({ min: 100, max: 5_000 }),
    startTimeoutMs: fc.integer({ min: 100, max: 10_000 }),
    runTimeoutMs: fc.integer({ min: 100, max: 20_000 }),
    health: fc.record({
      everyMs: fc.integer({ min: 100, max: 2_000 }),
      failures: fc.integer({ min: 1, max: 5 }),
      delayMs: fc.integer({ min: 0, max: 2_000 }),
    }),
    onHang: fc.constantFrom(...onHangs),
    graceMs: fc.integer({ min: 0, max: 5_000 }),
  },
  { requiredKeys: ['onHang', 'graceMs'] },
);
const anyInput: fc.Arbitrary<LivenessInput> = fc.oneof(
  fc.record({
    event: fc.constant('started' as const),
    sinceMs: fc.integer({ min: 0, max: 9_000 }),
    ranMs: fc.integer({ min: 0, max: 30_000 }),
  }),
  fc.record({
    event: fc.constantFrom(
      ...(['ready', 'reloading', 'stopping', 'ended', 'suspended', 'resumed', 'sign'] as const),
      ...(['sign', 'trigger', 'marked', 'tick', 'inspected'] as const),
    ),
  }),
  fc.record({ event: fc.constant('quiet' as const), silentMs: fc.integer({ min: 0, max: 9_000 }) }),
  fc.record({
    event: fc.constantFrom('period' as const, 'extend' as const),
    ms: fc.integer({ min: -1, max: 9_000 }),
  }),
  fc.record({
    event: fc.constant('checked' as const),
    result: fc.constantFrom('passed' as const, 'failed' as const, 'void' as const),
  }),
);

/** What must hold of it, said without its tables: a handful of flags that follow its words. */
class Model {
  up = false;
  held = false;
  ready = false;
  leaving = false;
  counting = 0;
  checking = false;
  marking = false;
  hangs = 0;
  quiet = 0;

  follow(input: LivenessInput, actions: readonly LivenessAction[]): void {
    if (input.event === 'started') {
      this.up = true;
      this.ready = false;
      this.leaving = false;
      this.checking = false;
      this.marking = false;
      this.hangs = 0;
      this.quiet = 0;
      this.counting = 0;
    }
    if (input.event === 'suspended') this.held = true;
    if (input.event === 'resumed') this.held = false;
    if (input.event === 'stopping' && this.up) this.leaving = true;
    if (input.event === 'checked') this.checking = false;
    if (input.event === 'marked') this.marking = false;
    for (const action of actions) this.#act(action);
    if (input.event === 'ended') this.#over();
  }

  #act(action: LivenessAction): void {
    expect(this.up).toBe(true);
    switch (action.act) {
      case 'count':
        this.counting = action.ms;
        break;
      case 'check':
        expect([this.held, this.checking]).toEqual([false, false]);
        this.checking = true;
        break;
      case 'mark':
        expect([this.held, this.marking]).toEqual([false, false]);
        this.marking = true;
        break;
      case 'ready':
        expect([this.ready, this.leaving]).toEqual([false, false]);
        this.ready = true;
        break;
      case 'unready':
        this.ready = false;
        break;
      case 'warn':
      case 'hang':
      case 'continue':
        expect([this.held, this.leaving]).toEqual([false, false]);
        break;
      case 'calm':
        expect(this.leaving).toBe(false);
        break;
      case 'restart':
      case 'abort':
      case 'linger':
      case 'overdue':
        expect(this.held).toBe(false);
        this.#over();
        break;
    }
  }

  #over(): void {
    this.up = false;
    this.held = false;
    expect(this.counting).toBe(0);
  }
}

test('whatever comes in whatever order: nothing of a run that is down or held, nothing twice', () => {
  fc.assert(
    fc.property(
      anyRule,
      fc.array(fc.tuple(anyInput, fc.integer({ min: 0, max: 3_000 })), { maxLength: 60 }),
      (given, inputs) => {
        const run = new Watched(given);
        const model = new Model();
        for (const [input, ms] of inputs) {
          const before = run.done.length;
          run.pass(ms).do(input);
          // Held outlives a launch: whether a new one is held is for the caller to say.
          if (input.event === 'suspended' && !model.up) model.held = true;
          model.follow(input, run.done.slice(before));
          if (!model.up) model.held = run.liveness.held;
          expect(run.liveness.phase !== 'off').toBe(model.up);
          expect(run.liveness.held).toBe(model.held);
          const due = livenessDueMs(run.liveness);
          if (model.held || !model.up) expect(due).toBeUndefined();
          if (model.up) expect(run.liveness.phase === 'ready').toBe(model.ready);
        }
      },
    ),
    { numRuns: 400 },
  );
});
