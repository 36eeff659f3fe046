/**
 * Renders the table of rights in docs/SECURITY.md from the one that the server judges by. A test
 * renders again and compares. Run: node scripts/render-security.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../src/net/codes.ts';
import { layouts, type MessageKind } from '../src/net/layout.ts';
import { peerRoles, type Question, questions, rightOf, toServer } from '../src/roles/server/may.ts';
import { code, type Row, renderSections, table } from './sections.ts';

export const securityPath = join(import.meta.dirname, '../docs/SECURITY.md');

const cell = (right: string): string => (right === 'no' ? '–' : right);
const head: Row = ['message', 'code', 'token', ...peerRoles.slice(1)];

function rightsTable(): string {
  const rows = (Object.keys(toServer) as MessageKind[]).map((kind): Row => {
    const { category, name } = layouts[kind];
    const byte = codeOf(kind, 'REQ').code.toString(16).padStart(2, '0');
    const query = 'nodes';
    const rights = peerRoles.map((role) => cell(rightOf(role, kind, { query })));
    return [`${category} ${name}`, code(`0x${byte}`), ...rights];
  });
  return table(head, rows);
}

function questionsTable(): string {
  const names = Object.keys(questions) as Question[];
  const rows = names.map((query): Row => {
    return [code(query), ...peerRoles.map((role) => cell(rightOf(role, 'retQuery', { query })))];
  });
  return table(['question', 'token', ...peerRoles.slice(1)], rows);
}

export const renderSecurity = (text: string): string =>
  renderSections('docs/SECURITY.md', text, { rights: rightsTable, questions: questionsTable });

if (import.meta.main) {
  writeFileSync(securityPath, renderSecurity(readFileSync(securityPath, 'utf8')));
}
