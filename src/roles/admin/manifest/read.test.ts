/** Manifests: what is read, what is wrong and where, and that export reads back as it was. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../../../base/limits.ts';
import { decodeSequence, encodeSequence } from '../../../net/codec.ts';
import type { Shape } from '../../../net/layout.ts';
import { conditions } from '../../../supervisor/condition.ts';
import { taskFields } from '../task-fields.ts';
import { timingFields } from '../timing-fields.ts';
import { readManifests } from './read.ts';
import { jsonSchema } from './schema.ts';
import { nodeManifest, scheduleManifest, taskManifest, yamlText } from './write.ts';

const read = (text: string) => readManifests([{ file: 'f.yaml', text }]);
const faults = (text: string): readonly string[] =>
  read(text).faults.map(({ place, message, hint }) =>
    hint === undefined ? `${place} ${message}` : `${place} ${message} (${hint})`,
  );

test('the example of the contract', () => {
  const { documents, faults: none } = read(`
kind: Task                     # Task | Schedule | Node
name: crawl
bundle: crawler
command: [./crawl, --depth, "3"]
on: {labels: {zone: a}, nodes: [web-*]}
restart: {policy: on-failure, backoff: 1s..5m, max: 10}
limits: {memory: 512MiB, cpu: 1.5, pids: 100}
stop: {signal: TERM, grace: 15s}
---
kind: Schedule
name: nightly
task: crawl
action: start
cron: "30 2 * * *"
tz: Europe/Warsaw
missed: once
overlap: forbid
maxClockError: 50ms
---
kind: Node
name: n1
labels: {zone: a}
`);
  expect(none).toEqual([]);
  expect(documents).toEqual([
    {
      ...{ entry: 'task', task: 'crawl' },
      spec: {
        ...{ bundle: 'crawler', command: ['./crawl', '--depth', '3'], on: 'web-*,zone=a' },
        ...{ restart: 'on-failure', backoffMinMs: 1_000, backoffMaxMs: 300_000, maxRestarts: 10 },
        ...{ memoryMaxBytes: 512 * 1024 * 1024, cpuMax: 1.5, pidsMax: 100 },
        ...{ stopSignal: 'SIGTERM', stopGraceMs: 15_000 },
      },
    },
    {
      ...{ entry: 'schedule', task: 'crawl', action: 'start' },
      timing: {
        ...{ schedule: 'nightly', cron: '30 2 * * *', tz: 'Europe/Warsaw', missed: 'once' },
        ...{ overlap: 'forbid', maxClockErrorUs: 50_000 },
      },
    },
    { entry: 'node', node: 'n1', labels: { zone: 'a' } },
  ]);
});

test('short forms, JSON, a list, a pinned bundle', () => {
  const digest = `sha256:${'0a'.repeat(32)}`;
  const task = { kind: 'Task', name: 'a', command: ['x'], restart: 'always', on: 'zone=a' };
  const { documents } = read(JSON.stringify([task, { ...task, name: 'b', bundle: `c@${digest}` }]));
  expect(documents).toEqual([
    { entry: 'task', task: 'a', spec: { command: ['x'], restart: 'always', on: 'zone=a' } },
    {
      ...{ entry: 'task', task: 'b', digest },
      spec: { command: ['x'], restart: 'always', on: 'zone=a', bundle: 'c' },
    },
  ]);
  expect(read('kind: Task\nname: a\ncommand: [x]\ndisabled: true\n').documents).toEqual([
    { entry: 'task', task: 'a', spec: { command: ['x'] }, enabled: false },
  ]);
});

const head = 'kind: Task\nname: a\ncommand: [x]\n';

test.each([
  [
    `${head}limits: {memroy: 1GiB}\n`,
    'f.yaml:4:10 unknown key "memroy"; limits has memory, cpu, pids (did you mean "memory"?)',
  ],
  [`${head}retsart: always\n`, '(did you mean "restart"?)'],
  [`${head}limits:\n  memory: lots\n`, 'f.yaml:5:11 limits.memory: "lots" is not a size'],
  [
    `${head}stop: {grace: 15}\n`,
    'f.yaml:4:15 stop.grace: expected a duration, for instance 10s; found 15',
  ],
  [
    `${head}restart: sometimes\n`,
    'f.yaml:4:10 restart: expected one of no, on-failure, always; found "sometimes"',
  ],
  [
    `${head}restart: {max: -1}\n`,
    'f.yaml:4:16 restart.max: expected a whole number from 0; found -1',
  ],
  [
    'kind: Task\nname: a\ncommand: [x, 3]\n',
    'f.yaml:3:14 command: expected a string; write it in quotes; found 3',
  ],
  ['kind: Task\nname: a\n', 'f.yaml:1:1 command is missing; expected a list of strings'],
  [
    'kind: Tusk\nname: a\n',
    'f.yaml:1:7 kind: "Tusk" is none; expected one of Task, Schedule, Node (did you mean "Task"?)',
  ],
  ['name: a\n', 'f.yaml:1:1 kind: is missing'],
  ['- 5\n', 'f.yaml:1:3 a manifest is a map'],
  ['kind: Task\nname: A B\ncommand: [x]\n', 'f.yaml:2:7 name "A B": a name has only'],
  [`${head}on: "zone=a,("\n`, 'f.yaml:4:5 selector "zone=a,("'],
  [`${head}limits: 5\n`, 'f.yaml:4:9 limits: expected a map of memory, cpu, pids; found 5'],
  [`${head}---\n${head}`, 'f.yaml:6:7 task "a" stands at f.yaml:2:7 already'],
  [`${head}name: b\n`, 'f.yaml:4:1 Map keys must be unique'],
  ['a: [1\nb: 2', 'f.yaml:2:1 '],
  [
    'kind: Node\nname: n\nlabels: {rack: 7}\n',
    'f.yaml:3:16 labels.rack: expected a string; write it in quotes; found 7',
  ],
  [
    'kind: Schedule\nname: s\ntask: a\naction: start\nin: 5s\n',
    '(a manifest names instants: write at, or every)',
  ],
  [
    'kind: Schedule\nname: s\ntask: a\naction: start\nevery: 5s\ncron: "* * * * *"\n',
    'a Schedule has one of at, every and cron',
  ],
  [
    'kind: Schedule\nname: s\ntask: a\naction: start\nevery: 5s\ntz: UTC\n',
    'f.yaml:6:5 tz goes with cron',
  ],
  [
    'kind: Schedule\nname: s\ntask: a\naction: explode\nevery: 5s\n',
    'f.yaml:4:9 action: expected one of start',
  ],
])('what is wrong, and where: %j', (text, expected) => {
  expect(faults(text).join('\n')).toContain(expected);
});

test('all that is wrong is told, document by document', () => {
  expect(faults(`${head}x: 1\ny: 2\n---\nkind: Node\nname: n\n`)).toHaveLength(3);
});

test('aliases that multiply are refused, not expanded', () => {
  const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x,x]'];
  for (let n = 1; n < 9; n += 1)
    bomb.push(
      `a${n}: &a${n} [${Array(10)
        .fill(`*a${n - 1}`)
        .join(',')}]`,
    );
  expect(faults(bomb.join('\n')).join('\n')).toContain('alias');
});

// ---- export reads back as it was ----

const words = fc.array(
  fc.string({ unit: 'binary', maxLength: 12 }).filter((s) => !/[\0\ud800-\udfff]/.test(s)),
  { maxLength: 4 },
);
const values: Readonly<Record<string, fc.Arbitrary<readonly unknown[]>>> = {
  size: fc.nat(2 ** 45).map((n) => [n]),
  signal: fc.constantFrom('SIGTERM', 'SIGUSR1', 'SIG50').map((s) => [s]),
  texts: words.map((list) => [list]),
  preempt: fc.constantFrom('no', 'suspend', 'kill').map((word) => [word]),
  bool: fc.boolean().map((is) => [is]),
  after: fc
    .array(
      fc.record({ task: fc.stringMatching(/^[a-z0-9]{1,9}$/), on: fc.constantFrom(...conditions) }),
    )
    .map((list) => [list]),
  map: fc.dictionary(fc.stringMatching(/^[A-Z_]{1,8}$/), fc.string()).map((env) => [env]),
};

function valuesOf(field: (typeof taskFields)[number] | (typeof timingFields)[number]) {
  const { form, keys, path } = field;
  const { shaped } = form;
  if (shaped.type === 'word') return fc.constantFrom(...shaped.words).map((one) => [one]);
  if (shaped.type === 'number')
    return shaped.whole
      ? fc.integer({ min: shaped.least, max: 2 ** 40 }).map((n) => [n])
      : fc.integer({ min: 1, max: 100_000 }).map((n) => [n / 100]);
  if (shaped.type !== 'string') return values[shaped.type] ?? fc.constant(keys);
  if (keys.length === 2)
    return fc.tuple(fc.nat(1e9), fc.nat(1e9)).map((pair) => pair.sort((a, b) => a - b));
  if (keys[0]?.endsWith('Ms')) return fc.nat(1e12).map((n) => [n]);
  if (path === 'at' || path === 'from' || path === 'until') return fc.nat(4e15).map((us) => [us]);
  if (keys[0]?.endsWith('Us')) return fc.nat(1e9).map((ms) => [ms * 1000]);
  if (path === 'bundle') return fc.stringMatching(/^[a-z0-9]{1,9}$/).map((s) => [s]);
  if (path === 'on')
    return fc.constantFrom('zone=a', 'n1,web-*', 'k in (a,b),@all').map((s) => [s]);
  return fc
    .string({ unit: 'binary', minLength: 1 })
    .filter((s) => !/[\ud800-\udfff]/.test(s))
    .map((s) => [s]);
}

/** Some of the fields, each with values of its form. */
function some(fields: readonly ((typeof taskFields)[number] | (typeof timingFields)[number])[]) {
  const each = fields.map((field) =>
    fc
      .option(valuesOf(field), { nil: undefined })
      .map((given) =>
        given === undefined
          ? {}
          : Object.fromEntries(field.keys.map((key, at) => [key, given[at]])),
      ),
  );
  return fc.tuple(...each).map((parts) => Object.assign({}, ...parts) as Record<string, unknown>);
}

test('any task: export, read, the same', () => {
  const specs = fc.tuple(some(taskFields), words, fc.boolean());
  fc.assert(
    fc.property(specs, ([given, more, enabled]) => {
      const spec = { ...given, command: ['./x', ...more] } as Shape<'spec'>;
      const text = yamlText([taskManifest({ task: 'a', spec, enabled, revision: 1 })]);
      const { documents, faults: wrong } = readManifests([{ file: 'f', text }]);
      expect(wrong).toEqual([]);
      const flag = enabled ? {} : { enabled: false };
      expect(documents).toEqual([{ entry: 'task', task: 'a', spec, ...flag }]);
      expect(decodeSequence('document', encodeSequence('document', documents))).toEqual(documents);
    }),
    { numRuns: 300 },
  );
});

test('any schedule and any labels: export, read, the same', () => {
  const rules = some(
    timingFields.filter(({ path }) => !['at', 'every', 'cron', 'from', 'tz'].includes(path)),
  );
  fc.assert(
    fc.property(rules, fc.nat(4e15), fc.boolean(), (rule, at, paused) => {
      const plan = { ...rule, at, schedule: 's1', task: 'a', action: 'start', on: 'zone=a' };
      const row = { ...plan, sinceUs: 1, revision: 3, missed: 'skip', overlap: 'forbid', ...rule };
      const text = yamlText([scheduleManifest({ ...row, paused })]);
      const { documents, faults: wrong } = readManifests([{ file: 'f', text }]);
      expect(wrong).toEqual([]);
      const { sinceUs: _, revision: __, task, action, on, ...timing } = row;
      const flag = paused ? { paused } : {};
      expect(documents).toEqual([{ entry: 'schedule', task, action, on, timing, ...flag }]);
    }),
  );
  const labels = { zone: 'a', n: '1', t: 'true', e: '', x: '~', d: '2026-01-01' };
  const text = yamlText([nodeManifest({ node: 'n1', nodeState: 'online', labels })]);
  expect(read(text).documents).toEqual([{ entry: 'node', node: 'n1', labels }]);
});

test('the schema for editors knows every key', () => {
  const text = JSON.stringify(jsonSchema());
  for (const { path } of [...taskFields, ...timingFields])
    expect(text).toContain(`"${path.split('.').at(-1)}"`);
  expect(text).toContain('additionalProperties":false');
});

test('many documents fit one command', () => {
  const tasks = Array.from(
    { length: 1_000 },
    (_, n) => `kind: Task\nname: t${n}\ncommand: [./x, "${n}"]\nrestart: always\n`,
  );
  const bytes = encodeSequence('document', read(tasks.join('---\n')).documents);
  expect(bytes.length).toBeLessThan(limits.journalRecordBytes);
});

test('so many instances stand beside the selector, and are written back there', () => {
  const whole = 'on: {labels: {zone: a}, instances: 3, spread: rack}';
  const only = 'on: {instances: 2}';
  const specs = [whole, only].map((on) => {
    const { documents, faults: none } = read(`kind: Task\nname: a\ncommand: [x]\n${on}\n`);
    expect(none).toEqual([]);
    return documents[0]?.spec ?? { command: [] };
  });
  expect(specs).toEqual([
    { command: ['x'], on: 'zone=a', instances: 3, spread: 'rack' },
    { command: ['x'], instances: 2 },
  ]);
  const [first, second] = specs.map(
    (spec) => taskManifest({ task: 'a', spec, enabled: true, revision: 1 })['on'],
  );
  expect(first).toEqual({ select: 'zone=a', instances: 3, spread: 'rack' });
  expect(second).toEqual({ instances: 2 });
  const wrong = (on: string) => faults(`kind: Task\nname: a\ncommand: [x]\n${on}\n`)[0];
  expect(wrong('on: {instances: 0}')).toContain('from 1');
  expect(wrong('on: {instances: two}')).toContain('f.yaml:4:');
  expect(wrong('on: {instanses: 2}')).toContain('instances');
});
