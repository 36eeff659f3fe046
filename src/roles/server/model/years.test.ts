import { expect, test } from 'vitest';
import { liveYears } from './years.fake.ts';

const seed = Number(process.env['SEED'] || Date.now() % 1_000_000);

test(`years of keys and CAs, deaths at every step: nobody is lost (SEED=${seed})`, () => {
  let [renewals, rotations] = [0, 0];
  const deaths = new Set<string>();
  for (let no = 0; no < 8; no += 1) {
    const years = liveYears(1, seed + no);
    expect(years.lost).toEqual([]);
    renewals += years.renewals;
    rotations += years.rotations;
    for (const what of years.deaths.keys()) deaths.add(what);
  }
  expect(deaths.size).toBe(8);
  // Of eight years of four nodes, some of them away for months.
  expect([renewals > 100, rotations > 4]).toEqual([true, true]);
});
