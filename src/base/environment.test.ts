import { expect, test } from 'vitest';
import { optionFlag, optionList, optionText } from './environment.ts';

const env = {
  LOTC_DATA: '/d',
  LOTC_LISTEN: '[::]:1  0.0.0.0:2',
  LOTC_READY_FILE: '',
  LOTC_PLAINTEXT: '1',
};

test('the command line wins over the environment twin', () => {
  expect(optionText(undefined, 'data', env)).toBe('/d');
  expect(optionText('/e', 'data', env)).toBe('/e');
  expect(optionText(undefined, 'ready-file', env)).toBeUndefined();
  expect(optionList(undefined, 'listen', env)).toEqual(['[::]:1', '0.0.0.0:2']);
  expect(optionList(['x'], 'listen', env)).toEqual(['x']);
  expect(optionFlag(undefined, 'plaintext', env)).toBe(true);
  expect(optionFlag(undefined, 'stop-processes', env)).toBe(false);
});

test('an option that is given and empty is a mistake, a variable that is empty is none', () => {
  expect(() => optionText('', 'name', {})).toThrow('--name is empty');
  expect(optionText(undefined, 'name', { LOTC_NAME: '' })).toBeUndefined();
});
