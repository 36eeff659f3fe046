/**
 * What it costs to judge a command: role, grants, and the scope against the resolved nodes, as the
 * server does at the door. Once more in `apply`, which is the same function.
 */
import type { AnyBody, MessageKind } from '../../src/net/layout.ts';
import { apply } from '../../src/roles/server/model/apply.ts';
import { authorityOf, judge } from '../../src/roles/server/model/authority.ts';
import type { Command, CommandKind } from '../../src/roles/server/model/command.ts';
import { emptyState, type State } from '../../src/roles/server/model/state.ts';
import { digits, type Finding, quantile, type Row } from '../measure.ts';

const NODES = 100;
const ROUNDS = 50;
const CALLS = 2_000;
const GOAL_US = 20;

export const rights: Row = {
  name: 'rights',
  limitMs: 60_000,
  run() {
    const { state, operator } = fleet();
    const node = { targets: ['web@n7'], key: new Uint8Array(16) };
    const zone = { ...node, targets: ['web'], on: 'zone=a' };
    const cases: readonly (readonly [string, string, AnyBody, boolean])[] = [
      ['an admin', 'root', node, true],
      ['an operator, one node', operator, node, true],
      [`an operator, ${NODES / 10} of ${NODES} nodes`, operator, zone, true],
    ];
    return Promise.resolve(cases.map((one) => finding(state, one)));
  },
};

function finding(
  state: State,
  [who, by, body, isJudged]: readonly [string, string, AnyBody, boolean],
): Finding {
  const kind: MessageKind = 'taskRun';
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const begun = process.hrtime.bigint();
    for (let call = 0; call < CALLS; call += 1) {
      const refusal = judge(state, authorityOf(state, by, { at: state.at }), kind, body);
      if (refusal) throw refusal;
    }
    const us = Number(process.hrtime.bigint() - begun) / 1e3 / CALLS;
    if (round > 0) times.push(us);
  }
  const us = quantile(times, 0.5);
  return {
    what: `a command judged: ${who}`,
    figure: `${digits(us)} us (p95 ${digits(quantile(times, 0.95))})`,
    against: 'nothing',
    result: `${digits(us)} us`,
    goal: isJudged ? `at most ${GOAL_US} us` : 'none',
    met: isJudged ? us <= GOAL_US : undefined,
  };
}

/** Ten zones of ten nodes, one task everywhere, one operator of a zone. */
function fleet(): { state: State; operator: string } {
  const state = emptyState();
  let no = 0;
  const act = (kind: CommandKind, body: object, by?: string): void => {
    no += 1;
    const key = Buffer.from(String(no).padStart(16, '0'));
    const command = { kind, body, key, at: no, who: 'bench', origin: '', by };
    const { reply } = apply(state, command as unknown as Command, no);
    if (!reply.ok) throw new Error(reply.text);
  };
  const join = (name: string, role: string, more: object, enrol: object): void => {
    const spki = Buffer.from(name.padStart(8, '-')).toString('hex').slice(-16);
    const token = `${no}`.padStart(8, '0');
    act('hostToken', { spki: token + spki, role, ttlMs: 60_000, usesLeft: 1, ...more }, 'root');
    act('enrol', { spki: `key-${name}`, token, instance: 'i', build: 'b', ...enrol });
  };
  act('found', { fleet: 'f', spki: 'root', identity: 'root' });
  for (let n = 0; n < NODES; n += 1) {
    const labels = { zone: String.fromCharCode(97 + (n % 10)) };
    join(`n${n}`, 'agent', {}, { node: `n${n}`, labels });
  }
  act('taskAdd', { task: 'web', mode: 'create', spec: { command: ['x'] } }, 'root');
  join('op', 'operator', { scope: 'zone in (a,h)' }, { role: 'console', identity: 'op' });
  return { state, operator: 'key-op' };
}
