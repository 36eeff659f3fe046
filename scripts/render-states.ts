/**
 * Renders docs/STATES.md from the table that drives every run (src/supervisor/table.ts), between
 * their markers; the prose around them is written by hand. A test renders again and compares.
 * Run: node scripts/render-states.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { states, visible } from '../src/supervisor/states.ts';
import { type Action, type Cell, table as cells, events } from '../src/supervisor/table.ts';
import { code, renderSections, table } from './sections.ts';

export const statesPath = join(import.meta.dirname, '../docs/STATES.md');

const done: Readonly<Record<Action, string>> = {
  launch: 'start the shim',
  cancel: 'take it back at its gate',
  freeze: 'freeze the tree',
  thaw: 'thaw the tree',
  terminate: 'thaw, then the stop signal to the whole tree',
  'kill-tree': 'KILL to the whole tree',
  'arm-grace': 'deadline: the grace',
  'arm-kill': 'deadline: kill again',
  'arm-backoff': 'deadline: the backoff',
  'keep-deadline': 'the deadline stays',
  'note-stuck': 'warn in the log',
  release: 'remove its control group',
};

const isMove = (cell: Cell): cell is Exclude<Cell, string> => typeof cell !== 'string';

function statesTable(): string {
  const rows = states.map((state) => {
    const inside = state === visible[state] ? '' : `shown as ${code(visible[state])}`;
    return [code(state), inside];
  });
  return table(['state', 'people see'], rows);
}

/** One arrow for each pair of states, with every event that leads along it. */
function diagram(): string {
  const lines = states.flatMap((state) => {
    const arrows = new Map<string, string[]>();
    for (const event of events) {
      const cell = cells[state][event];
      if (!isMove(cell) || cell[0] === state) continue;
      arrows.set(cell[0], [...(arrows.get(cell[0]) ?? []), event]);
    }
    return [...arrows].map(([next, names]) => `  ${state} --> ${next}: ${names.join(', ')}`);
  });
  const begin = `  [*] --> ${states[0]}`;
  return ['```mermaid', 'stateDiagram-v2', begin, ...lines, '```'].join('\n');
}

function matrix(): string {
  const cell = (of: Cell): string => (isMove(of) ? of[0] : of === 'ignore' ? '·' : '✕');
  const rows = events.map((event) => [
    code(event),
    ...states.map((state) => cell(cells[state][event])),
  ]);
  return table(['event', ...states], rows);
}

function moves(): string {
  const rows = states.flatMap((state) =>
    events.flatMap((event) => {
      const cell = cells[state][event];
      if (!isMove(cell)) return [];
      const [next, ...actions] = cell;
      return [[state, event, next, actions.map((action) => done[action]).join('; ')]];
    }),
  );
  return table(['in', 'on', 'to', 'what is done'], rows);
}

export function renderStates(text: string): string {
  return renderSections('docs/STATES.md', text, {
    ...{ states: statesTable, diagram, matrix, moves },
  });
}

if (import.meta.main) {
  writeFileSync(statesPath, renderStates(readFileSync(statesPath, 'utf8')));
}
