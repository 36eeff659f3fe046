import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import { Admission, networkOf } from './admission.ts';
import { Tally } from './tally.ts';

const times = <T>(count: number, act: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => act(index));

test('one address holds so many sockets that nobody has proven a key on', () => {
  const admission = new Admission();
  const { unauthenticatedPerAddress: most } = limits;
  const got = times(most + 2, () => admission.admit('192.0.2.7', 0));
  expect(got).toEqual([...Array<string>(most).fill('ok'), 'busy', 'busy']);
  expect(admission.admit('192.0.2.8', 0)).toBe('ok');
  admission.closed('192.0.2.7', 'stranger');
  expect(admission.admit('192.0.2.7', 0)).toBe('ok');
});

test('new ones come in a burst, then at a rate', () => {
  const admission = new Admission();
  const visit = (nowMs: number): string => {
    const got = admission.admit('192.0.2.7', nowMs);
    if (got === 'ok') admission.closed('192.0.2.7', 'stranger');
    return got;
  };
  const first = times(limits.newBurstPerAddress + 5, () => visit(0));
  expect(first.filter((got) => got === 'ok')).toHaveLength(limits.newBurstPerAddress);
  const second = times(100, () => visit(1_000));
  expect(second.filter((got) => got === 'ok')).toHaveLength(limits.newPerSecondPerAddress);
});

test('an IPv6 /64 is one address, its neighbour another; IPv4 is one through either family', () => {
  expect(networkOf('2001:db8:0:1::7')).toBe(networkOf('2001:db8:0:1:ffff::8'));
  expect(networkOf('2001:db8:0:1::7')).not.toBe(networkOf('2001:db8:0:2::7'));
  expect(networkOf('::ffff:192.0.2.7')).toBe(networkOf('192.0.2.7'));
  expect(networkOf('fe80::1%eth0')).not.toBe(networkOf('fe80::2%eth0'));
  expect(networkOf('::1')).not.toBe(networkOf('::2'));
});

test('an address with a living session is never refused', () => {
  const admission = new Admission();
  admission.admit('2001:db8::1', 0);
  admission.settled('2001:db8::1');
  expect(new Set(times(1_000, () => admission.admit('2001:db8::2', 0)))).toEqual(new Set(['ok']));
  times(10, () => admission.badKey('2001:db8::3', 0));
  expect(admission.admit('2001:db8::4', 0)).toBe('ok');
  admission.closed('2001:db8::1', 'session');
  expect(admission.admit('2001:db8::2', 0)).toBe('busy');
});

test('loopback is bounded in total only', () => {
  const admission = new Admission();
  const got = times(limits.unauthenticatedSockets + 1, () => admission.admit('::1', 0));
  expect(got.slice(0, -1)).not.toContain('busy');
  expect(got.at(-1)).toBe('full');
  admission.closed('::1', 'stranger');
  expect(admission.admit('127.0.0.1', 0)).toBe('ok');
});

test('the total holds for many addresses', () => {
  const admission = new Admission();
  const got = times(limits.unauthenticatedSockets + 1, (n) =>
    admission.admit(`10.0.${n >> 8}.${n & 255}`, 0),
  );
  expect(got.filter((one) => one === 'ok')).toHaveLength(limits.unauthenticatedSockets);
  expect(got.at(-1)).toBe('full');
});

test('a handful of bad keys in a minute bars the address for a minute, loopback never', () => {
  const admission = new Admission();
  for (const address of ['192.0.2.7', '::1']) {
    times(limits.badKeysPerMinute - 1, () => admission.badKey(address, 0));
    admission.badKey(address, 59_000);
  }
  expect(admission.admit('192.0.2.7', 59_001)).toBe('busy');
  expect(admission.admit('::1', 59_001)).toBe('ok');
  expect(admission.admit('192.0.2.7', 119_000)).toBe('ok');
  times(limits.badKeysPerMinute - 1, () => admission.badKey('192.0.2.9', 0));
  admission.badKey('192.0.2.9', 60_000);
  expect(admission.admit('192.0.2.9', 60_001)).toBe('ok');
});

test('one log line a second for an address', () => {
  const admission = new Admission();
  expect([0, 1, 999, 1_000, 1_001].map((at) => admission.mayTell('192.0.2.7', at))).toEqual([
    true,
    false,
    false,
    true,
    false,
  ]);
});

test('what is remembered is bounded, and open sockets are never forgotten', () => {
  const admission = new Admission();
  admission.admit('192.0.2.7', 0);
  times(limits.addressesRemembered * 2, (n) => {
    const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    if (admission.admit(address, n) === 'ok') admission.closed(address, 'stranger');
  });
  expect(admission.remembered).toBeLessThanOrEqual(limits.addressesRemembered);
  expect(admission.strangers).toBe(1);
  admission.closed('192.0.2.7', 'stranger');
  expect(admission.strangers).toBe(0);
});

test('whatever comes and goes, nothing is left when all have gone', () => {
  const address = fc.constantFrom('::1', '127.0.0.1', '192.0.2.7', '2001:db8::1', '2001:db8::2');
  fc.assert(
    fc.property(fc.array(fc.tuple(address, fc.nat(3)), { maxLength: 200 }), (steps) => {
      const admission = new Admission();
      const open: { address: string; was: 'stranger' | 'session' }[] = [];
      for (const [index, [address, act]] of steps.entries()) {
        const oldest = open[0];
        if (act > 1 && admission.admit(address, index) === 'ok')
          open.push({ address, was: 'stranger' });
        else if (act === 1 && oldest?.was === 'stranger') {
          admission.settled(oldest.address);
          oldest.was = 'session';
        } else if (act === 0 && oldest) {
          open.shift();
          admission.closed(oldest.address, oldest.was);
        }
      }
      for (const { address, was } of open) admission.closed(address, was);
      expect(admission.strangers).toBe(0);
    }),
  );
});

test('what was refused is counted by the limit that it met', () => {
  const tally = new Tally();
  const admission = new Admission(tally);
  times(limits.newBurstPerAddress + 3, () => {
    if (admission.admit('192.0.2.1', 0) === 'ok') admission.closed('192.0.2.1', 'stranger');
  });
  times(limits.unauthenticatedPerAddress + 2, () => admission.admit('192.0.2.2', 0));
  times(limits.badKeysPerMinute, () => admission.badKey('192.0.2.3', 0));
  admission.admit('192.0.2.3', 1);
  for (let no = 0; admission.admit(`198.51.100.${no}`, 0) === 'ok'; no += 1);
  expect(tally.rows).toEqual([
    { text: 'badKeysPerMinute', count: 1 },
    { text: 'newPerSecondPerAddress', count: 3 },
    { text: 'unauthenticatedPerAddress', count: 2 },
    { text: 'unauthenticatedSockets', count: 1 },
  ]);
});
