/**
 * What consoles ask about nodes' round trips and clocks: one question to each node there is, the
 * answers passed on as they come, those that do not answer named in the end.
 */
import { errorCodes } from '../../base/errors.ts';
import type { AnyBody, Ok, Req, Shape } from '../../net/layout.ts';
import type { AgentServer } from './agent-server.ts';
import { selectNodes } from './model/resolve.ts';
import type { NodeRecord, State } from './model/state.ts';
import type { Replier, ServerPorts } from './ports.ts';

export interface ClocksParts {
  readonly state: State;
  readonly agents: AgentServer;
  readonly ports: ServerPorts;
}

interface Question {
  readonly kind: 'synDef' | 'synNow';
  readonly body: AnyBody;
  /** The node's row, made of its answer. */
  readonly row: (node: NodeRecord, answer: AnyBody) => Shape<'node'>;
}

/**
 * One round trip to each node. The node says when it was asked and when it answered, by its own
 * true time: so both ways are known, as well as both clocks are.
 */
export function pingNodes(parts: ClocksParts, { on }: Req<'pingNode'>, replier: Replier): void {
  const { agents, ports } = parts;
  askEach(parts, on, replier, () => {
    const begunMs = ports.monotonicMs();
    const { atUs: t1, errorUs: ours } = ports.now();
    return {
      kind: 'synDef',
      body: { t1 },
      row: (node, answer) => {
        const rttUs = Math.round((ports.monotonicMs() - begunMs) * 1000);
        const { t2, t3, errorUs: theirs } = answer as Ok<'synDef'>;
        const ways = { outUs: t2 - t1, backUs: ports.now().atUs - t3 };
        const known = ours !== undefined && theirs !== undefined;
        return {
          ...agents.row(node),
          rttUs,
          ...ways,
          wayErrorUs: known ? ours + theirs : undefined,
        };
      },
    };
  });
}

/** Each node asks its sources of time again, and says how its clock then stands. */
export function syncNodes(parts: ClocksParts, { on }: Req<'synNode'>, replier: Replier): void {
  const { agents, ports } = parts;
  const { errorUs } = ports.now();
  const clock = { synchronized: errorUs !== undefined, clockErrorUs: errorUs };
  const question: Question = {
    kind: 'synNow',
    body: {},
    row: (node, answer) => ({ ...agents.row(node), clock: (answer as Ok<'synNow'>).clock }),
  };
  askEach(parts, on, replier, () => question, { clock });
}

function askEach(
  { state, agents }: ClocksParts,
  on: string,
  replier: Replier,
  question: () => Question,
  last: AnyBody = {},
): void {
  const nodes = selectNodes(state, on);
  const asked: { drop(): void }[] = [];
  const faults: Shape<'answer'>[] = [];
  let left = nodes.length;
  const done = (): void => {
    left -= 1;
    if (left === 0) replier.ok({ ...last, nodes: [], answers: faults });
  };
  replier.onDrop(() => {
    for (const one of asked) one.drop();
  });
  for (const node of nodes) {
    const missing = (): void => {
      const text = `node ${node.name} does not answer (${agents.row(node).nodeState})`;
      const { number: errorCode } = errorCodes.unresponsive;
      faults.push({ ok: false, node: node.name, text, errorCode });
      done();
    };
    const { kind, body, row } = question();
    const one = agents.ask(node.uid, kind, body, {
      ok: (answer) => {
        replier.more({ nodes: [row(node, answer)] });
        done();
      },
      fail: missing,
    });
    if (one) asked.push(one);
    else missing();
  }
}
