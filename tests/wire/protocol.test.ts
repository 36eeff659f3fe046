import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { protocolPath, renderProtocol } from '../../scripts/render-protocol.ts';

const text = readFileSync(protocolPath, 'utf8');

test('docs/PROTOCOL.md says what the tables of the code say', () => {
  expect(text, 'run: node scripts/render-protocol.ts').toBe(renderProtocol(text));
});

test('a table that was changed by hand is seen, and so is one that is gone', () => {
  expect(renderProtocol(text.replace('`taskRun`', '`taskWalk`'))).toBe(text);
  expect(() => renderProtocol(text.replace('<!-- end: keys -->', ''))).toThrow('no section keys');
});
