import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { parseSignal, signalName, signalNumber } from './signals.ts';

test('numbers are those of this machine', () => {
  for (const [name, number] of Object.entries(constants.signals)) {
    if (name === 'SIGIOT' || name === 'SIGPOLL' || name === 'SIGUNUSED') continue;
    expect([name, signalNumber(name)]).toEqual([name, number]);
    expect(signalName(number)).toBe(name);
  }
});

test.each([
  ['TERM', 'SIGTERM'],
  ['SIGTERM', 'SIGTERM'],
  ['usr1', 'SIGUSR1'],
  ['15', 'SIGTERM'],
  ['37', 'SIG37'],
  ['RTMIN+3', 'SIGRTMIN+3'],
])('%s is %s', (text, name) => {
  expect(parseSignal(text)).toBe(name);
});

test.each(['', 'NOPE', '0', '65', '-9', 'SIG', 'RTMIN+40'])('%j is refused', (text) => {
  expect(() => parseSignal(text, '--signal')).toThrow(/^--signal/);
});
