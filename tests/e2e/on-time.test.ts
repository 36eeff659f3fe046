/** Firing on time with clocks of one's own, proven from outside: chronyd behind jittery paths. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { onTime, startsOf } from '../clock/skew.ts';
import { Fleet, until } from './fleet.ts';

const START_US = 3_000;

test('the script of the contract, where the clock has to be good', async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new Fleet());
  await onTime(stack, fleet, 1);
  const crawler = fleet.path('crawler');
  mkdirSync(crawler);
  writeFileSync(`${crawler}/crawl`, '#!/bin/sh\nsleep 4\n', { mode: 0o755 });
  await fleet.must(['load', './crawler', '--name', 'crawler', '--wait']);
  await fleet.must(['task', 'create', 'crawl', '--bundle', 'crawler', '--', './crawl']);
  await fleet.must(['start', 'crawl', '--in', '2s', '--max-clock-error', '50ms']);
  await fleet.must(['wait', 'crawl', '--for', 'running', '--timeout', '10s']);
  await fleet.must(['suspend', 'crawl', '--wait']);
  await fleet.must(['resume', 'crawl', '--wait']);
  await fleet.must(['wait', 'crawl', '--for', 'exited']);
  const fires = ['fires', '--task', 'crawl'];
  const [row, ...others] = await fleet.json<Record<string, unknown>[]>(fires);
  expect(others).toEqual([]);
  expect(row).toMatchObject({ result: 'ok', node: 'n0' });
  // Half a round trip over the path at least: the bound is honest.
  expect(row?.['clockErrorUs']).toBeGreaterThan(4_000);
  expect(row?.['clockErrorUs']).toBeLessThanOrEqual(50_000);
  expect(row?.['lateUs']).toBeGreaterThanOrEqual(0);

  // What no clock over such a path can promise is not fired, and the ledger says why.
  await fleet.must(['start', 'crawl', '--in', '1s', '--max-clock-error', '1ms']);
  let second: Record<string, unknown> | undefined;
  await until(async () => {
    [, second] = await fleet.json<Record<string, unknown>[]>(fires);
    return typeof second?.['result'] === 'string';
  });
  expect(second).toMatchObject({ result: 'skipped', run: null });
  expect(second?.['reason']).toMatch(/may be wrong by \d+ µs, more than 1000/);
});

test('nodes that know the time by themselves start at one instant, within their bounds', async () => {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(new Fleet());
  const nodes = await onTime(stack, fleet, 3);
  const all = await startsOf(fleet, nodes, { count: 5, everyMs: 500 });
  expect(all).toHaveLength(15);
  for (const node of nodes) {
    const own = all.filter((one) => one.node === node);
    const wrong = own.map(({ plannedUs, beganUs, lateUs }) => beganUs - lateUs - plannedUs);
    // The one of five that a busy machine disturbed least.
    const least = wrong.toSorted((a, b) => Math.abs(a) - Math.abs(b))[0] ?? Number.NaN;
    const errorUs = Math.max(...own.map((one) => one.errorUs));
    expect(Math.abs(least), JSON.stringify(own)).toBeLessThanOrEqual(errorUs + START_US);
  }
});
