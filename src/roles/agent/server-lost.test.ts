import { expect, test } from 'vitest';
import { Scheduled, SECOND, schedule, task } from '../../../tests/agent/scheduled.ts';
import type { Item } from './events.ts';

const spec = { command: ['./x'], serverLostMs: 30_000 };

function started(more: Partial<Item> = {}): Scheduled {
  const order: Item = {
    ...{ item: 'O1/0', order: 'O1/0', generation: 0, entry: 'order', verb: 'start', run: 'R1' },
    ...{ task: 'web', spec, ...more },
  };
  return new Scheduled().begin(order);
}

const state = (node: Scheduled): string | undefined => node.row('R1')?.processState;

test('a server that is silent is asked; one that answers is no lost one', () => {
  const node = started();
  node.heardMs = node.nowMs;
  node.pass(15);
  expect(node.asked).toBe(1);
  node.pass(10);
  expect(node.asked).toBe(2);
  node.heardMs = node.nowMs;
  node.pass(29);
  expect(state(node)).toBe('running');
  node.pass(2);
  expect(state(node)).toBe('exited');
  expect(node.row('R1')?.reason).toBe('the server was not heard for 30s');
});

test('it stays down, whatever its restart policy, until it is started again', () => {
  const node = started({ spec: { ...spec, restart: 'always' } });
  node.heardMs = node.nowMs;
  node.disconnect();
  node.pass(90);
  expect([state(node), node.row('R1')?.restarts]).toEqual(['exited', 0]);
});

test('keep: nothing happens', () => {
  const node = started({ spec: { command: ['./x'] } });
  node.heardMs = node.nowMs;
  node.disconnect();
  node.pass(120);
  expect([state(node), node.asked]).toEqual(['running', 0]);
});

test('an agent that was stopped itself listens before it judges', () => {
  const node = started();
  node.heardMs = node.nowMs;
  node.pass(5);
  node.sleep(120_000);
  node.tick(1);
  node.settle();
  expect([state(node), node.asked]).toEqual(['running', 1]);
  node.heardMs = node.nowMs;
  node.pass(20);
  expect(state(node)).toBe('running');
  // And one that hears nothing then as well stops it soon.
  node.sleep(120_000);
  node.pass(12);
  expect(state(node)).toBe('exited');
});

test('without its server a firing starts nothing that must not be', () => {
  const at = { at: 60 * SECOND };
  const node = new Scheduled().begin(task('web', { spec }), schedule('once', 1 * SECOND, at));
  node.heardMs = node.nowMs;
  node.pass(62);
  expect(node.fires).toMatchObject([{ result: 'skipped', run: undefined }]);
  expect(node.fires[0]?.reason).toBe('the server was not heard for 30s');
  expect(node.launches).toEqual([]);
});
