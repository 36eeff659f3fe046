import { expect, test } from 'vitest';
import type { AnyBody } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import { emptyState, type NodeRecord } from './model/state.ts';
import type { AskHandlers, Replier, ServerPorts } from './ports.ts';
import { readingsSince } from './readings.ts';

const at = 1_000_000;
const node = (name: string): NodeRecord => ({
  ...{ uid: name, name, labels: {}, spki: name, instance: '', createdAt: 0, createdBy: '' },
  ...{
    reportSeq: 0,
    build: '',
    addresses: [],
    boot: '',
    containment: '',
    lastSeen: 0,
    left: false,
  },
});

function fleet() {
  const state = emptyState();
  for (const name of ['n1', 'n2']) {
    state.nodes.set(name, node(name));
    state.index.nodeByName.set(name, name);
  }
  const spec = { command: ['x'] };
  state.tasks.set('web', {
    task: 'web',
    spec,
    enabled: true,
    revision: 1,
    createdAt: 0,
    at: 0,
    who: '',
  });
  const asked = new Map<string, { body: AnyBody; handlers: AskHandlers }>();
  const said: AnyBody[] = [];
  let dropped = 0;
  let drop = (): void => undefined;
  const agents = {
    samplesOf: (uid: string) => [{ at, node: uid, load1: 1 }],
    // n2 is away.
    ask: (uid: string, _: string, body: AnyBody, handlers: AskHandlers) => {
      if (uid !== 'n1') return undefined;
      asked.set(uid, { body, handlers });
      return {
        drop: () => {
          dropped += 1;
        },
      };
    },
  } as unknown as AgentServer;
  const replier = {
    more: (body: AnyBody) => void said.push(body),
    ok: (body: AnyBody) => void said.push(body, { last: true }),
    onDrop: (listener: () => void) => {
      drop = listener;
    },
  } as unknown as Replier;
  const parts = { state, agents, ports: {} as ServerPorts };
  const ask = (more: object): void => readingsSince(parts, { query: 'stats', ...more }, replier);
  return { ask, asked, said, drop: () => drop(), dropped: () => dropped };
}

test('each node that is here is asked; of one that is away its last reading is told', () => {
  const { ask, asked, said } = fleet();
  ask({ since: 5 });
  expect(said).toEqual([{ samples: [{ at, node: 'n2', load1: 1 }] }]);
  const { body, handlers } = asked.get('n1') ?? {};
  expect(body).toMatchObject({ query: 'stats', since: 5 });
  handlers?.more?.({ samples: [{ at: 7 }] });
  handlers?.ok({ samples: [] });
  expect(said.slice(1)).toEqual([
    { samples: [{ at: 7, node: 'n1' }] },
    { samples: [] },
    { last: true },
  ]);
});

test('a node that cannot answer gives its last reading, if it is not older', () => {
  const { ask, asked, said } = fleet();
  ask({ since: at + 1 });
  asked.get('n1')?.handlers.fail({ errorCode: 1, text: 'gone' });
  expect(said).toEqual([{ samples: [] }, { last: true }]);
});

test('a node that no name means is not asked', () => {
  const { ask, asked, said } = fleet();
  ask({ since: 5, names: ['web@n2'] });
  expect(asked.size).toBe(0);
  expect(said.at(-1)).toEqual({ last: true });
});

test('who does not listen any more asks no more', () => {
  const { ask, drop, dropped } = fleet();
  ask({ since: 5 });
  drop();
  expect(dropped()).toBe(1);
});
