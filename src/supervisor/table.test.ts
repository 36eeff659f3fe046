import fc from 'fast-check';
import { expect, test } from 'vitest';
import { verdicts } from '../base/verbs.ts';
import { advance, type Input, judgedState, newProcess, type Process } from './process.ts';
import { hasEnded, type State, states, visible } from './states.ts';
import { type Event, events, table } from './table.ts';

/** One letter a cell: `.` ignore, `!` impossible, else the next state's. */
const letters: Record<State, string> = {
  ...{
    pending: 'p',
    launching: 'u',
    armed: 'a',
    disarming: 'd',
    running: 'r',
    freezing: 'f',
    suspended: 's',
    thawing: 't',
  },
  ...{ stopping: 'g', killing: 'k', leaving: 'l', clearing: 'c', losing: 'o', backoff: 'b' },
  ...{ exited: 'X', failed: 'F', lost: 'L', disarmed: 'D' },
};

function drawn(): string {
  return states
    .map((state) => {
      const row = events.map((event) => {
        const cell = table[state][event];
        if (cell === 'ignore') return '.';
        return cell === 'impossible' ? '!' : letters[cell[0]];
      });
      return `${state.padEnd(10)}${row.join('')}`;
    })
    .join('\n');
}

test('the table, cell by cell', () => {
  // go give-up armed started launch-failed | disarm disarmed | suspend resume stop kill
  // | frozen f-failed
  // thawed t-failed
  // | ended ended-leaving gone | cleared stuck detached deadline | revive use-up hung | give-way
  expect(drawn()).toBe(
    [
      'pending   uF!!!D!..FF!!!!!!!!!!!!!..',
      'launching ..arFdD..kk....!!o..o!!!..',
      'armed     ...rFdD..kk!!!!!!o!!o!!!..',
      'disarming ...rF.D..kk!!!!!!o!!o!!!..',
      'running   !!..!.!f.gk!!!!Xlo!!o!!!gg',
      'freezing  !!..!.!.!gksr!!Xlo!!o!!!..',
      'suspended !!..!.!.tgk!!!!Xlo!!o!!!..',
      'thawing   !!..!.!!.gk!!rsXlo!!o!!!..',
      'stopping  !!..!.!...k....Xlo!!ok!!..',
      'killing   !!kkF.F........Xco.kok!!..',
      'leaving   !!..!.!..lc....X.X!!cc!!..',
      'clearing  !!..!.!..cc....X.XXc.c!!..',
      'losing    !!.......oo.......Lo.o!!..',
      'backoff   !!.......XX..........u!!..',
      'exited    !!...................!bF..',
      'failed    !!...................!!!..',
      'lost      !!...................!bF..',
      'disarmed  !!...................!!!..',
    ].join('\n'),
  );
});

test('every way to an end lets go of the run, and nothing else does', () => {
  for (const state of states) {
    for (const event of events) {
      const cell = table[state][event];
      if (typeof cell === 'string') continue;
      const [next, ...actions] = cell;
      expect(actions.includes('release')).toBe(hasEnded(next));
      if (next === 'stopping') expect(actions).toContain('terminate');
      if (next === 'killing' || next === 'clearing' || next === 'losing') {
        expect(actions).toContain(
          next === state && actions.length === 1 ? 'keep-deadline' : 'arm-kill',
        );
      }
    }
  }
});

const now = { nowMs: 1_000, atUs: 5_000_000 };
const end = { how: 'code', value: 3, cpuMs: 7, maxMemoryBytes: 1 << 20, atUs: 5_000_100 } as const;
const started = { pid: 42, startTicks: 9, atUs: 5_000_000 };

function walk(process: Process, ...inputs: readonly (Event | Input)[]): Process {
  let at = process;
  for (const input of inputs) {
    at = advance(at, typeof input === 'string' ? { event: input } : input, now).process;
  }
  return at;
}

test('a run that ends has its code, and no deadline', () => {
  const made = newProcess('R1', 1, { graceMs: 500 });
  const stopping = walk(made, 'go', { event: 'started', started }, 'want-stop');
  expect(stopping).toMatchObject({ state: 'stopping', deadlineMs: 1_500, wish: 'down', pid: 42 });
  const leaving = walk(stopping, { event: 'ended-leaving', end });
  expect(leaving).toMatchObject({ state: 'leaving', deadlineMs: 1_500 });
  const over = walk(leaving, 'deadline', 'cleared');
  expect(over).toMatchObject({ state: 'exited', exitCode: 3, exitedAt: 5_000_100, cpuMs: 7 });
  expect(over.deadlineMs).toBeUndefined();
  expect(over.reason).toBe('did not end within 0.5 s of SIGTERM; killed');
});

test('an end that nobody saw is lost, never a code', () => {
  const lost = walk(newProcess('R1', 1), 'go', 'started', { event: 'detached' }, 'cleared');
  expect(lost).toMatchObject({ state: 'lost', reason: 'the shim died', errorCode: 'lost' });
  expect(lost.exitCode).toBeUndefined();
  expect(lost.signal).toBeUndefined();
});

test('a failed freeze leaves the run running and says why', () => {
  const made = walk(newProcess('R1', 1), 'go', 'started', 'want-suspend');
  const failed = walk(made, { event: 'freeze-failed', reason: 'D state' });
  expect(failed).toMatchObject({ state: 'running', fault: 'D state' });
});

test('the verdicts are the table of the CLI contract', () => {
  const judged = ['running', 'suspended', 'pending', 'stopping', 'none'] as const;
  const row = (verb: keyof typeof verdicts): string =>
    judged.map((state) => verdicts[verb][state]).join(' ');
  expect(row('start')).toBe('done already-suspended done is-stopping act');
  expect(row('suspend')).toBe('act done is-pending is-stopping not-running');
  expect(row('resume')).toBe('not-suspended act is-pending is-stopping not-running');
  expect(row('stop')).toBe('act act act done done');
  expect(row('kill')).toBe('act act act act not-running');
  expect(row('restart')).toBe('act act act act act');
});

/**
 * A world that plays shim and kernel against the table: what it may say next follows from what
 * was asked of it, never from the table. It knows the truth at the end.
 */
class World {
  shim: 'none' | 'alive' | 'dead' | 'done' = 'none';
  main: 'none' | 'alive' | 'ended' = 'none';
  rest = 0;
  frozen = false;
  queue: Event[] = [];
  toldEnd = false;
  cancelled = false;

  act(action: string): void {
    if (action === 'launch') this.shim = 'alive';
    if (action === 'cancel') this.cancelled = true;
    if (action === 'freeze') this.queue.push('frozen');
    if (action === 'thaw') this.queue.push('thawed');
    if (action === 'terminate') this.frozen = false;
    if (action === 'kill-tree') this.queue.push('cleared');
  }

  /** What could happen now; each makes it so. */
  options(process: Process): (() => Event | undefined)[] {
    const all: (() => Event | undefined)[] = [];
    const say = (event: Event, change: () => void = () => undefined): void => {
      all.push(() => {
        change();
        return event;
      });
    };
    const alive = this.shim === 'alive';
    if (alive && this.main === 'none') {
      say('armed');
      say('started', () => {
        this.main = 'alive';
      });
      say('launch-failed', () => {
        this.shim = 'done';
      });
      if (this.cancelled) {
        say('disarmed', () => {
          this.shim = 'done';
        });
      }
    }
    if (alive && this.main === 'alive') {
      say('ended', () => {
        this.main = 'ended';
        this.rest = 0;
        this.shim = 'done';
      });
      say('ended-leaving', () => {
        this.main = 'ended';
        this.rest = 2;
      });
    }
    if (alive && this.main === 'ended') {
      say('gone', () => {
        this.rest = 0;
        this.shim = 'done';
      });
    }
    if (alive) {
      say('detached', () => {
        this.shim = 'dead';
      });
    }
    const first = this.queue[0];
    if (first !== undefined) {
      all.push(() => {
        this.queue.shift();
        if (first === 'cleared') {
          this.rest = 0;
          if (this.shim === 'alive' && this.main === 'ended') this.shim = 'done';
        }
        return first;
      });
      if (first === 'cleared') {
        all.push(() => {
          this.queue.shift();
          return 'stuck';
        });
      } else {
        all.push(() => {
          this.queue.shift();
          return first === 'frozen' ? 'freeze-failed' : 'thaw-failed';
        });
      }
    }
    if (process.deadlineMs !== undefined) say('deadline');
    const moving = process.state === 'freezing' || process.state === 'thawing';
    if (!moving) {
      say('want-suspend');
      say('want-resume');
    }
    say('disarm');
    say('want-stop');
    say('want-kill');
    if (process.state === 'pending') {
      say('go');
      say('give-up');
    }
    return all;
  }
}

test('random walks never meet an impossible cell, and every end is true', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1_000), { maxLength: 60 }), (choices) => {
      const world = new World();
      let process = newProcess('R1', 1);
      let sawEnd = false;
      for (const choice of choices) {
        const options = world.options(process);
        const event = options[choice % options.length]?.();
        if (event === undefined) continue;
        const isEnd = event === 'ended' || event === 'ended-leaving';
        const before = process.state;
        const step = advance(process, { event, ...(isEnd ? { end } : {}) }, now);
        process = step.process;
        sawEnd ||= isEnd && !hasEnded(before) && before !== 'losing';
        for (const action of step.actions) world.act(action);
        if (process.state === 'exited') expect(sawEnd).toBe(true);
        if (process.state === 'disarmed') expect(world.main).toBe('none');
        if (process.state === 'lost') expect(process.exitCode).toBeUndefined();
        if (hasEnded(process.state)) expect(process.deadlineMs).toBeUndefined();
        if (process.state === 'suspended') expect(visible[process.state]).toBe('suspended');
        if (process.wish === 'down' && world.main === 'alive' && world.shim === 'alive') {
          expect(['stopping', 'none']).toContain(judgedState(process));
        }
      }
    }),
    { numRuns: 3_000 },
  );
});
