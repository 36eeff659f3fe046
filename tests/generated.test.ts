/**
 * What is rendered from the tables of the code says what they say. Whoever adds a message or a
 * key runs the two scripts; whoever forgets is told here, in `make check`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { dissectorPath, renderDissector } from '../scripts/render-dissector.ts';
import { operationsPath, renderOperations } from '../scripts/render-operations.ts';
import { protocolPath, renderProtocol } from '../scripts/render-protocol.ts';
import { renderSecurity, securityPath } from '../scripts/render-security.ts';
import { renderStates, statesPath } from '../scripts/render-states.ts';

const protocol = readFileSync(protocolPath, 'utf8');
const dissector = readFileSync(dissectorPath, 'utf8');

test('docs/PROTOCOL.md says what the tables of the code say', () => {
  expect(protocol, 'run: node scripts/render-protocol.ts').toBe(renderProtocol(protocol));
});

test('docs/SECURITY.md says who may what as the server judges it', () => {
  const security = readFileSync(securityPath, 'utf8');
  expect(security, 'run: node scripts/render-security.ts').toBe(renderSecurity(security));
});

test('docs/OPERATIONS.md has the kinds of events that hooks are judged by', () => {
  const operations = readFileSync(operationsPath, 'utf8');
  expect(operations, 'run: node scripts/render-operations.ts').toBe(renderOperations(operations));
});

test('docs/STATES.md says what the table of states and events says', () => {
  const states = readFileSync(statesPath, 'utf8');
  expect(states, 'run: node scripts/render-states.ts').toBe(renderStates(states));
  const moved = states.replace(
    '| running | want-suspend | freezing |',
    '| running | want-suspend | x |',
  );
  expect(moved).not.toBe(states);
  expect(renderStates(moved)).toBe(states);
});

/** A file of tests, and titles in it. */
const named = /`([^`]*\.test\.ts)`: ((?:"[^"]+"(?:, )?)+)/g;

test('every threat of docs/SECURITY.md names tests that are there', () => {
  const rows = readFileSync(securityPath, 'utf8')
    .split('\n')
    .filter((row) => /test\.ts/.test(row));
  expect(rows.length).toBeGreaterThan(10);
  for (const row of rows) {
    for (const [, path = ''] of row.matchAll(/`([^`]*\.test\.ts)`/g)) {
      expect(existsSync(join(import.meta.dirname, '..', path)), path).toBe(true);
    }
    for (const [, path = '', titles = ''] of row.matchAll(named)) {
      const text = readFileSync(join(import.meta.dirname, '..', path), 'utf8');
      for (const title of titles.matchAll(/"([^"]+)"/g)) expect(text, path).toContain(title[1]);
    }
  }
});

test('dissector.lua knows what the tables of the code know', () => {
  expect(dissector, 'run: node scripts/render-dissector.ts').toBe(renderDissector(dissector));
});

test('a table that was changed by hand is seen, and so is one that is gone', () => {
  expect(renderProtocol(protocol.replace('`taskRun`', '`taskWalk`'))).toBe(protocol);
  expect(() => renderProtocol(protocol.replace('<!-- end: keys -->', ''))).toThrow(
    'no section keys',
  );
  expect(renderDissector(dissector.replace('"TASK RUN REQ"', '"TASK WALK REQ"'))).toBe(dissector);
  expect(() => renderDissector(dissector.replace('-- END OF GENERATED', ''))).toThrow('no section');
});
