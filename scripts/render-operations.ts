/**
 * Renders the table of events in docs/OPERATIONS.md from the one that hooks are judged by. A test
 * renders again and compares. Run: node scripts/render-operations.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventKinds } from '../src/net/event-kinds.ts';
import { code, renderSections, table } from './sections.ts';

export const operationsPath = join(import.meta.dirname, '../docs/OPERATIONS.md');

const eventsTable = (): string =>
  table(
    ['kind', 'says'],
    Object.entries(eventKinds).map(([kind, says]) => [code(kind), says]),
  );

export const renderOperations = (text: string): string =>
  renderSections('docs/OPERATIONS.md', text, { events: eventsTable });

if (import.meta.main) {
  writeFileSync(operationsPath, renderOperations(readFileSync(operationsPath, 'utf8')));
}
