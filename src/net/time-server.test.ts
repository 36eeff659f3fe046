import { expect, test } from 'vitest';
import { LotcError } from '../base/errors.ts';
import { parseTimeServers } from './time-server.ts';

test('time servers are names or addresses, at port 123 unless they say another', () => {
  const names = ['pool.example', '10.7.0.1:1123', '[fd00::7]:124', 'fd00::8', 'pool.example'];
  expect(parseTimeServers(names)).toEqual([
    { name: 'pool.example', host: 'pool.example', port: 123 },
    { name: '10.7.0.1:1123', host: '10.7.0.1', port: 1123 },
    { name: '[fd00::7]:124', host: 'fd00::7', port: 124 },
    { name: 'fd00::8', host: 'fd00::8', port: 123 },
  ]);
  expect(parseTimeServers([])).toEqual([]);
  expect(parseTimeServers(['nts:time.example', 'nts:[fd00::7]:4461'])).toEqual([
    { name: 'nts:time.example', host: 'time.example', port: 4460, nts: true },
    { name: 'nts:[fd00::7]:4461', host: 'fd00::7', port: 4461, nts: true },
  ]);
});

test.each([':123', 'a b', 'host:0', 'host:70000', '', 'nts:', 'nts::123'])('%s is none', (name) => {
  expect(() => parseTimeServers([name])).toThrow(LotcError);
});

test('there is an end to them', () => {
  const many = Array.from({ length: 17 }, (_, n) => `time${n}.example`);
  expect(() => parseTimeServers(many)).toThrow('17 servers');
});
