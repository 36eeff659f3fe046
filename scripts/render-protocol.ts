/**
 * Renders the tables of docs/PROTOCOL.md from the tables of the code, between their markers; the
 * prose around them is written by hand. A test renders again and compares.
 * Run: node scripts/render-protocol.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes, protocolFaults } from '../src/base/errors.ts';
import { limits } from '../src/base/limits.ts';
import { codeOf, fieldsOf } from '../src/net/codes.ts';
import { type KeyType } from '../src/net/key-types.ts';
import {
  categories,
  failure,
  type Layout,
  layouts,
  type MessageKind,
  states,
} from '../src/net/layout.ts';
import { type KeyName, keys } from '../src/net/registry.ts';
import { type Fields, shapes } from '../src/net/shapes.ts';
import { code, type Row, renderSections, table } from './sections.ts';

export const protocolPath = join(import.meta.dirname, '../docs/PROTOCOL.md');

const names = (list: readonly KeyName[]): string => [...new Set(list)].map(code).join(' ');

function typeText(type: KeyType): string {
  if (typeof type === 'string') return type;
  return 'map' in type ? `map of [${type.map}](#shapes)` : `list of [${type.list}](#shapes)`;
}

function fieldsText({ must, may }: Fields): string {
  if (must.length + may.length === 0) return 'nothing';
  return may.length === 0 ? names(must) : `${names(must)} (${names(may)})`.trim();
}

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;

function codesTable(): string {
  const rows = categories.flatMap((category, number) =>
    kindsOf(category).map(([kind, { sub, name }]): Row => {
      const cells = states.map((state) =>
        fieldsOf(kind, state) ? code(hex(codeOf(kind, state).code)) : '–',
      );
      return [`${category} ${number}`, `${name} ${sub}`, code(kind), ...cells];
    }),
  );
  return table(['category', 'subcategory', 'here', ...states], rows);
}

function kindsOf(category: Layout['category']): [MessageKind, Layout][] {
  const all = Object.entries(layouts) as [MessageKind, Layout][];
  return all
    .filter(([, one]) => one.category === category)
    .toSorted(([, a], [, b]) => a.sub - b.sub);
}

function messagesTable(): string {
  const rows = categories.flatMap((category) =>
    kindsOf(category).flatMap(([kind, { name }]) =>
      states
        .filter((state) => state !== 'ERR')
        .flatMap((state): Row[] => {
          const fields = fieldsOf(kind, state);
          return fields ? [[`${category} ${name} ${state}`, fieldsText(fields)]] : [];
        }),
    ),
  );
  return table(['message', 'must hold (may hold)'], [...rows, ['any ERR', fieldsText(failure)]]);
}

function keysTable(): string {
  const rows = (Object.keys(keys) as KeyName[])
    .map((name) => ({ name, number: keys[name][0], type: keys[name][1] }))
    .toSorted((a, b) => a.number - b.number)
    .map(({ name, number, type }): Row => [number, code(name), typeText(type)]);
  return table(['number', 'name', 'type'], rows);
}

function shapesTable(): string {
  const rows = Object.entries(shapes).map(
    ([name, fields]): Row => [code(name), fieldsText(fields)],
  );
  return table(['shape', 'must hold (may hold)'], rows);
}

function faultsTable(): string {
  const rows = Object.entries(protocolFaults).map(
    ([fault, sub]): Row => [code(fault), `ERR ${sub}`],
  );
  return table(['fault', 'answered with'], rows);
}

function errorsTable(): string {
  const rows = Object.entries(errorCodes).map(([name, facts]): Row => {
    return [facts.number, code(name), facts.exit];
  });
  return table(['number', 'error', 'exit code'], rows);
}

/** Which limits a peer can meet. */
const told = [
  ...(['bodyBytesBeforeHello', 'bodyBytes', 'chunkBytes', 'cborDepth', 'cborItems'] as const),
  ...(['cborTextBytes', 'requestsInFlight', 'ownAnswersPerSecond', 'samplesPerSecond'] as const),
  ...(['sendQueueBytes', 'bulkQueueBytes'] as const),
  ...(['creditBytes', 'answersKept', 'answerRepeatMs', 'answerGiveUpMs', 'handshakeMs'] as const),
  ...([
    'pingEveryMs',
    'pingMissed',
    'unauthenticatedSockets',
    'unauthenticatedPerAddress',
  ] as const),
  ...(['newPerSecondPerAddress', 'newBurstPerAddress'] as const),
  ...(['badKeysPerMinute', 'sessionsPerIdentity'] as const),
  ...(['reportsPerMessage', 'assignmentItemsPerMessage'] as const),
] as const satisfies readonly (keyof typeof limits)[];

const sections: Readonly<Record<string, () => string>> = {
  codes: codesTable,
  messages: messagesTable,
  keys: keysTable,
  shapes: shapesTable,
  faults: faultsTable,
  errors: errorsTable,
  limits: () =>
    table(
      ['limit', 'value'],
      told.map((name): Row => [code(name), limits[name]]),
    ),
};

export const renderProtocol = (text: string): string =>
  renderSections('docs/PROTOCOL.md', text, sections);

if (import.meta.main) {
  writeFileSync(protocolPath, renderProtocol(readFileSync(protocolPath, 'utf8')));
}
