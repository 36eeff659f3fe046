/** Firings and the room of their node: judged when they are armed, and at their instant. */
import { expect, test } from 'vitest';
import { Scheduled, SECOND, schedule, task } from '../../../tests/agent/scheduled.ts';
import type { Item } from './events.ts';

const T0 = 1 * SECOND;

class OneSlot extends Scheduled {
  #orders = 0;

  override begin(...items: readonly Item[]): this {
    this.options = { room: { slots: 1, cores: 4, memoryBytes: 1_000 } };
    return super.begin(...items);
  }

  start(run: string, wants: object = {}): void {
    this.#orders += 1;
    const item = `O${this.#orders}/0`;
    const spec = { command: ['./x'], ...wants };
    const base = { item, order: item, generation: 0, entry: 'order', verb: 'start', spec };
    this.change([{ ...base, run, task: `t${run}`, at: this.nowUs }]);
  }

  end(run: string): void {
    const end = { how: 'code', value: 0, cpuMs: 1, maxMemoryBytes: 1, atUs: this.nowUs } as const;
    this.run(run, { kind: 'ended', end, left: false });
    this.settle();
  }

  /** Of the run of a schedule. */
  fired(): string | undefined {
    const [stored] = this.core.runs().filter(({ order }) => order.item.startsWith('fire:'));
    return stored && this.row(stored.process.run)?.processState;
  }
}

const once = schedule('once', T0, { at: 10 * SECOND });
const urgent = task('web', { spec: { command: ['./x'], priority: 5, preempt: 'suspend' } });

test('a firing without room is not armed; from its instant on it waits as any start does', () => {
  const node = new OneSlot().begin(task('web'), once);
  node.start('R1');
  node.pass(8);
  expect([node.fired(), node.fires]).toEqual([undefined, []]);
  node.pass(3);
  expect([node.fired(), node.fires]).toEqual(['pending', []]);
  node.end('R1');
  expect(node.fired()).toBe('running');
  expect(node.fires).toMatchObject([{ plannedUs: 10 * SECOND, result: 'ok' }]);
  expect(node.fires[0]?.lateUs).toBeGreaterThan(0);
});

test('what is armed has its room, and gives it to who waits and is not lower', () => {
  const node = new OneSlot().begin(task('web'), once);
  node.pass(8);
  expect(node.fired()).toBe('armed');
  node.start('R1');
  expect([node.fired(), node.row('R1')?.processState]).toEqual([undefined, 'running']);
  node.pass(4);
  expect([node.fired(), node.cancels.length]).toEqual(['pending', 1]);
  node.end('R1');
  expect(node.told).toEqual(['10 ok']);
  const high = new OneSlot().begin(urgent, once);
  high.pass(8);
  high.start('R1');
  expect([high.fired(), high.row('R1')?.processState]).toEqual(['armed', 'pending']);
  high.pass(3);
  expect([high.fired(), high.row('R1')?.processState]).toEqual(['running', 'pending']);
});

test('a firing preempts at its instant, not before', () => {
  const node = new OneSlot().begin(urgent, once);
  node.start('R1');
  node.pass(8);
  expect(node.row('R1')?.processState).toBe('running');
  node.pass(3);
  expect([node.fired(), node.row('R1')?.processState]).toEqual(['running', 'suspended']);
  expect(node.told).toEqual(['10 ok']);
});

test('no shim thaws at an instant what goes on when there is room', () => {
  const resumes = schedule('wake', T0, { at: 20 * SECOND, action: 'resume', task: 'tR1' });
  const node = new OneSlot().begin(urgent, once, resumes);
  node.start('R1');
  node.pass(25);
  expect(node.row('R1')?.processState).toBe('suspended');
  expect(node.fires.at(-1)).toMatchObject({ schedule: 'wake', result: 'failed' });
  const [run = ''] = node.launches.slice(-1);
  node.end(run);
  expect(node.row('R1')?.processState).toBe('running');
});
