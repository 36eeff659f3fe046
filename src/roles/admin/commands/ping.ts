/** `ping`: a round trip from the server to each node, once or so many times. */
import { Command, Option } from 'clipanion';
import type { LotcError } from '../../../base/errors.ts';
import type { Answer } from '../client.ts';
import { AdminCommand, checkOn, countOf } from '../command.ts';
import { judgeAnswers } from '../outcome.ts';
import { StreamRenderer } from '../render.ts';
import { Roll } from '../roll.ts';
import { views } from '../views.ts';

const EVERY_MS = 1_000;

export class Ping extends AdminCommand {
  static override paths = [['admin', 'ping']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Measure the round trip to nodes',
    examples: [
      ['Every node, once', '$0 admin ping'],
      ['A node, ten times', '$0 admin ping --on n1 -c 10'],
    ],
  });

  on = Option.String('--on', { description: 'Only these (a selector; default @all)' });
  count = Option.String('-c,--count', { description: 'So many times, a second apart' });

  #roll: Roll | undefined;

  protected override async perform(): Promise<number> {
    const on = checkOn(this.on) ?? '@all';
    const rounds = countOf(this.count, '-c') ?? 1;
    const roll = new Roll(this.query({ query: 'nodes', on }));
    this.#roll = roll;
    const renderer = new StreamRenderer(views.ping, this.format);
    const reached = new Set<string>();
    const missed = new Map<string, Answer>();
    const told = (nodes: readonly { readonly node: string }[]): void => {
      for (const { node } of nodes) reached.add(node);
      roll.answered(nodes);
      if (nodes.length > 0) this.write(renderer.rows(nodes, this.console.nowUs()));
    };
    for (let round = 0; round < rounds; round += 1) {
      if (round > 0) await this.#sleep();
      roll.begin();
      const last = await this.ask('pingNode', { on }, { onMore: ({ nodes }) => told(nodes) });
      told(last.nodes);
      for (const answer of last.answers ?? []) missed.set(answer.node ?? '', answer);
    }
    const ok = [...reached].filter((node) => !missed.has(node));
    const { complaints, exitCode } = judgeAnswers([
      ...missed.values(),
      ...ok.map((node) => ({ ok: true, node })),
    ]);
    this.complain(complaints);
    return exitCode;
  }

  protected override timedOut(timeoutMs: number): Promise<LotcError> {
    const error = this.#roll?.overdue(timeoutMs);
    return error ? Promise.resolve(error) : super.timedOut(timeoutMs);
  }

  /** Many rounds take as long as they take; one is answered within the usual limit. */
  protected override timeoutMs(): number | undefined {
    const given = super.timeoutMs();
    if (this.timeout !== undefined || this.count === undefined || given === undefined) return given;
    return given + (countOf(this.count, '-c') ?? 1) * EVERY_MS;
  }

  #sleep(): Promise<void> {
    const slept = Promise.withResolvers<void>();
    this.console.after(EVERY_MS, slept.resolve);
    return slept.promise;
  }
}
