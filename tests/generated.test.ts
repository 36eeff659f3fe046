/**
 * What is rendered from the tables of the code says what they say. Whoever adds a message or a
 * key runs the two scripts; whoever forgets is told here, in `make check`.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dissectorPath, renderDissector } from '../scripts/render-dissector.ts';
import { protocolPath, renderProtocol } from '../scripts/render-protocol.ts';

const protocol = readFileSync(protocolPath, 'utf8');
const dissector = readFileSync(dissectorPath, 'utf8');

test('docs/PROTOCOL.md says what the tables of the code say', () => {
  expect(protocol, 'run: node scripts/render-protocol.ts').toBe(renderProtocol(protocol));
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
