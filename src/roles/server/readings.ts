/**
 * Readings of the last hour, as nodes have kept them: one question to each node that is here, its
 * answers passed on as they come. A node that is away is there with its last reading.
 */
import type { AnyBody, Req } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import { selectNodes } from './model/resolve.ts';
import type { NodeRecord, State } from './model/state.ts';
import type { Replier, ServerPorts } from './ports.ts';
import { samples } from './queries.ts';

export interface ReadingsParts {
  readonly state: State;
  readonly agents: AgentServer;
  readonly ports: ServerPorts;
}

export function readingsSince(
  parts: ReadingsParts,
  query: Req<'retQuery'>,
  replier: Replier,
): void {
  const { state, agents } = parts;
  const { names, on, since = 0 } = query;
  const nodes = on === undefined ? [...state.nodes.values()] : selectNodes(state, on);
  // Also judges the names.
  const last = samples(parts, query).filter(({ at }) => at >= since);
  const asked: { drop(): void }[] = [];
  replier.onDrop(() => {
    for (const one of asked) one.drop();
  });
  let left = nodes.length;
  const done = (): void => {
    left -= 1;
    if (left === 0) replier.ok({ samples: [] });
  };
  if (left === 0) replier.ok({ samples: [] });
  for (const node of nodes) {
    const lastOnly = (): void => {
      const rows = last.filter((row) => row.node === node.name);
      if (rows.length > 0) replier.more({ samples: rows });
      done();
    };
    const pass = (body: AnyBody): void => {
      const rows = named(body, node);
      if (rows.length > 0) replier.more({ samples: rows });
    };
    const mine = names?.filter((name) => isOn(name, node));
    if (names?.length && mine?.length === 0) {
      done();
      continue;
    }
    const one = agents.ask(
      node.uid,
      'retQuery',
      { query: 'stats', since, names: mine },
      {
        more: pass,
        ok: (body) => {
          pass(body);
          done();
        },
        fail: lastOnly,
      },
    );
    if (one) asked.push(one);
    else lastOnly();
  }
}

const isOn = (name: string, node: NodeRecord): boolean =>
  !name.includes('@') || name.endsWith(`@${node.name}`);

const named = ({ samples: rows = [] }: AnyBody, { name }: NodeRecord) =>
  rows.map((row) => ({ ...row, node: name }));
