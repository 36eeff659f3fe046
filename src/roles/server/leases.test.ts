/** Which leases a node that asks for them is granted. */
import { expect, test } from 'vitest';
import type { Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import type { Controller } from './controller.ts';
import { Leases } from './leases.ts';
import { emptyState, type RunRecord } from './model/state.ts';
import type { Replier, ServerPorts, SessionPort } from './ports.ts';

const run = 'R0123456789A';

function ask(record: object | undefined, term: number): readonly Shape<'lease'>[] {
  const state = emptyState();
  if (record) state.runs.set(run, { run, uid: 'U1', ended: false, ...record } as RunRecord);
  const controller = { state, onChange: () => undefined };
  const agents = { onSample: () => () => undefined };
  const ports = { now: () => ({ atUs: 1e9, errorUs: 1_000 }), monotonicMs: () => 5 };
  const leases = new Leases(
    controller as unknown as Controller,
    agents as unknown as AgentServer,
    ports as unknown as ServerPorts,
  );
  const answers: Shape<'lease'>[] = [];
  const replier = { ok: (body: { leases: Shape<'lease'>[] }) => answers.push(...body.leases) };
  const port = { peer: { uid: 'U1' } } as unknown as SessionPort;
  leases.request(port, { leases: [{ run, term }] }, replier as unknown as Replier);
  return answers;
}

const lease = { term: 7, leaseMs: 10_000 };
const endsAt = 1e9 - 1_000 + 10_000_000;

test('a run under its term; one that a schedule began hears of its term with that', () => {
  expect(ask({ lease }, 7)).toEqual([{ run, term: 7, endsAt }]);
  expect(ask({ lease }, 0)).toEqual([{ run, term: 7, endsAt }]);
});

test('another term, a run of another node, or one that is not known yet: nothing now', () => {
  expect(ask({ lease }, 6)).toEqual([]);
  expect(ask({ lease, uid: 'U2' }, 7)).toEqual([]);
  expect(ask(undefined, 0)).toEqual([]);
});

test('what has no lease, or was given up, hears that it never has one', () => {
  expect(ask({}, 0)).toEqual([{ run, term: 0 }]);
  expect(ask({ lease, ended: true }, 0)).toEqual([{ run, term: 0 }]);
  expect(ask({ lease, ended: true }, 7)).toEqual([{ run, term: 7 }]);
});
