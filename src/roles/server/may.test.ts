/**
 * Every cell of the table, against a second statement of it: who is asked for, in the order enrol,
 * agent, viewer, operator, admin. `-` no, `y` yes, `o` own, `s` scope, `d` define, `r` run, `l`
 * logs. A message without a row here fails.
 */
import { expect, test } from 'vitest';
import { layouts, type MessageKind } from '../../net/layout.ts';
import { peerRoles, type Question, questions, rightOf, toServer } from './may.ts';

const messages: Readonly<Record<MessageKind, string>> = {
  ...{ hostAdd: 'yo---', hostRm: '----y', hostState: '---sy', hostHello: 'yyyyy' },
  ...{ hostBye: '-o---', hostSample: '-o---', hostToken: '----y', hostTokenRm: '----y' },
  ...{ taskAdd: '---dy', taskRm: '---dy', taskRun: '---sy', taskKill: '---sy' },
  ...{ taskStop: '---sy', taskCont: '---sy', taskOk: '---sy', taskNok: '---sy' },
  ...{ depSchedule: '---sy', depIdentity: '----y', depAuthority: '----y', depApply: '---sy' },
  ...{ depDrain: '---sy' },
  ...{ fileDef: '---dy', fileRm: '---dy', filePut: '-o-dy', fileGet: '-olsy' },
  ...{ fileChunk: '-o-dy', fileCredit: '-yyyy', fileOffer: '-----' },
  ...{ retQuery: '--yyy', retWatch: '--yyy', retLog: '--lsy', retExec: '---ry' },
  ...{ retInput: '---ry', retCancel: '---sy', retWait: '--yyy' },
  ...{ synDef: '-yyyy', synAssign: '-----', synReport: '-o---', synDrop: '-yyyy' },
  ...{ synAuthority: '-----', synNow: '-----', synNode: '--yyy', ping: 'yyyyy', pingNode: '--yyy' },
  ...{ synLease: '-o---' },
};
const asked: Readonly<Record<Question, string>> = {
  ...{ nodes: '--yyy', processes: '--yyy', tasks: '--yyy', bundles: '--yyy' },
  ...{ operations: '--yyy', events: '--yyy', stats: '--yyy', history: '--yyy' },
  ...{ schedules: '--yyy', next: '--yyy', planned: '--yyy', fires: '--yyy', summaries: '--yyy' },
  ...{ tokens: '----y', identities: '----y', audit: '----y', ca: '----y', results: '--lsy' },
  ...{ limits: '--yyy' },
};
const letters = { no: '-', yes: 'y', own: 'o', scope: 's', define: 'd', run: 'r', logs: 'l' };

const cells = (kind: MessageKind, query?: string): string =>
  peerRoles.map((role) => letters[rightOf(role, kind, { query })]).join('');

test.each(Object.keys(layouts) as MessageKind[])('%s: each role', (kind) => {
  const query = kind === 'retQuery' || kind === 'retWatch' ? 'nodes' : undefined;
  expect(cells(kind, query)).toBe(messages[kind]);
});

test.each(Object.keys(questions) as Question[])('the question %s: each role', (query) => {
  expect(cells('retQuery', query)).toBe(asked[query]);
  expect(cells('retWatch', query)).toBe(asked[query]);
});

test('what stands in no row is for nobody, and a question nobody knows for admins', () => {
  expect(Object.keys(toServer).sort()).toEqual(Object.keys(layouts).sort());
  expect(cells('hostEverything' as MessageKind)).toBe('-----');
  for (const query of ['', 'secrets', 'toString', '__proto__']) {
    expect(cells('retQuery', query)).toBe('----y');
  }
});
