import { expect, test } from 'vitest';
import { type CommandForm, findMistake, formsOf } from './mistake.ts';

const option = (definition: string, required = false) => ({ definition, required });
const forms: readonly CommandForm[] = [
  {
    path: 'lotc admin start',
    options: [option('--on #0'), option('-o,--output #0'), option('--wait')],
  },
  { path: 'lotc admin run', options: [option('--on #0', true), option('-t,--tty')] },
  { path: 'lotc admin task create', options: [] },
  {
    path: 'lotc admin node label',
    usage: 'lotc admin node label <NAME> <LABEL> ...',
    options: [option('--json'), option('-o,--output #0')],
  },
  { path: 'lotc admin sync', usage: 'lotc admin sync', options: [] },
  { path: 'lotc server', options: [option('--data #0', true)] },
];

test.each([
  ['admin', '"lotc admin" wants a command', 'see: lotc admin --help'],
  ['admin --json', '"lotc admin" wants a command', 'see: lotc admin --help'],
  ['admin task', '"lotc admin task" wants a command', 'see: lotc admin task --help'],
  [
    'admin strat x',
    'there is no command "lotc admin strat"',
    'did you mean "lotc admin start"? see: lotc admin --help',
  ],
  [
    'admin task frobnicate',
    'there is no command "lotc admin task frobnicate"',
    'see: lotc admin task --help',
  ],
  ['frobnicate', 'there is no command "lotc frobnicate"', 'see: lotc --help'],
  ['admin start x --on', 'option "--on" wants a value', 'see: lotc admin start --help'],
  ['admin start x --on --wait', 'option "--on" wants a value', 'see: lotc admin start --help'],
  [
    'admin start x --on -1s',
    'option "--on" wants a value',
    'one that begins with "-" is written --on=-1s; see: lotc admin start --help',
  ],
  ['admin start x -o', 'option "-o" wants a value', 'see: lotc admin start --help'],
  ['admin start x --wait=yes', 'option "--wait" takes no value', 'see: lotc admin start --help'],
  [
    'admin start x --wiat',
    '"lotc admin start" has no option "--wiat"',
    'did you mean "--wait"? see: lotc admin start --help',
  ],
  ['admin node label', 'NAME is missing', 'see: lotc admin node label --help'],
  ['admin node label -o x n1 --json', 'LABEL is missing', 'see: lotc admin node label --help'],
  ['admin sync extra', 'unexpected argument "extra"', 'see: lotc admin sync --help'],
  ['admin run -- true --on', 'option "--on" is missing', 'see: lotc admin run --help'],
])('%s: %s', (line, message, hint) => {
  expect(findMistake(forms, 'lotc', line.split(' '))).toEqual({ message, hint });
});

test.each([
  'admin start',
  'admin node label n1 a=b c=d',
  'admin start x --on a --wait',
  'admin run --on=a',
  'admin run -tx',
])('%s: nothing it is sure of', (line) => {
  expect(findMistake(forms, 'lotc', line.split(' '))).toBeUndefined();
});

test('a form stands under every path of its command', () => {
  const twice = [
    ['admin', 'task', 'create'],
    ['admin', 'create'],
  ];
  const all = formsOf(forms, 'lotc', [{ paths: twice }, { paths: [['nothing', 'described']] }]);
  expect(all.map(({ path }) => path)).toEqual(['lotc admin task create', 'lotc admin create']);
  expect(findMistake(all, 'lotc', ['admin', 'creat'])?.hint).toContain('"lotc admin create"');
});
