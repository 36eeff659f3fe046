import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Mutation } from './fleet.ts';
import { seeds } from './sim.ts';
import { simulate } from './simulate.ts';

const always = readFileSync(join(import.meta.dirname, 'seeds.txt'), 'utf8')
  .split('\n')
  .map((line) => Number.parseInt(line, 10))
  .filter((seed) => seed > 0);

test('whatever happens to the fleet, nothing is lost, nothing is done twice, all comes to rest', () => {
  const chosen = seeds(500);
  const failures: string[] = [];
  let events = 0;
  for (const seed of chosen) {
    try {
      const result = simulate(seed);
      events += result.events;
      if (chosen.length === 1) process.stdout.write(`SEED=${seed} trace ${result.trace}\n`);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  const which = failures.map((text) => text.split('\n')[0]).join('\n');
  if (failures.length > 0) expect.fail(`${which}\n\n${failures[0]}`);
  expect(events / chosen.length, 'events of a seed').toBeGreaterThan(500);
});

test('seeds that once failed do not', () => {
  for (const seed of always) simulate(seed);
  expect(always.length).toBeGreaterThan(0);
});

test('a seed is replayed event by event', () => {
  for (const seed of seeds(3)) expect(simulate(seed)).toEqual(simulate(seed));
  expect(simulate(1).trace).not.toBe(simulate(2).trace);
});

test('the simulation cannot ask the real world for time or chance', () => {
  const asks = [() => Date.now(), () => Math.random(), () => setTimeout(() => undefined, 0)];
  for (const ask of asks) {
    const mutation: Mutation = ({ server }) => {
      server.prepare = () => void ask();
    };
    expect(() => simulate(1, mutation)).toThrow('the real world');
  }
});
