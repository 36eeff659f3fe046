/**
 * Five ways to break LOTC on purpose. A simulator that lets one of them live is blind. They wrap
 * ports and patch instances here; the product knows nothing of them.
 */
import type { Fleet, Mutation } from './fleet.ts';

/** A command is applied, and so answered, before its record is durable. */
function acknowledgeBeforeJournaling({ server, sim }: Fleet): void {
  server.appended = (rec, seq) => {
    const { core } = server;
    sim.after(1, 'too early', () => {
      if (server.core === core) core?.controller.entries([{ seq, rec }]);
    });
  };
  server.committed = () => undefined;
}

/** The replies to commands are forgotten: what is asked again is done again. */
function applyTwice({ server }: Fleet): void {
  server.prepare = ({ state }) => {
    state.replies.get = () => undefined;
  };
}

/** After a restart a run is taken up where its shim's pid exists, whoever has it now. */
function adoptByPidAlone({ agents }: Fleet): void {
  for (const { machine } of agents) machine.byPidAlone = true;
}

/** Whatever a difference is based on, it is taken for one from where the agent is. */
function skipTheGenerationCheck(fleet: Fleet): void {
  fleet.onAssign = (agent, body) => ({
    ...body,
    base: agent.core?.standing.generation ?? body.base,
  });
}

/** Reports get their numbers when they arrive: what is sent again is taken for new. */
function loseASequence(fleet: Fleet): void {
  const high = new Map<string, number>();
  fleet.onReport = ({ uid }, body) => {
    const known = fleet.server.core?.state.nodes.get(uid)?.reportSeq ?? 0;
    const base = Math.max(known, high.get(uid) ?? 0);
    const reports = (body.reports ?? []).map((one, i) => ({ ...one, seq: base + i + 1 }));
    high.set(uid, base + reports.length);
    const last = body.reports?.at(-1)?.seq ?? 0;
    return { body: { ...body, reports }, seq: () => last };
  };
}

/** By name: how, and which check has to notice. */
export const mutants: readonly (readonly [name: string, mutation: Mutation, by: RegExp])[] = [
  ['acknowledge before journaling', acknowledgeBeforeJournaling, / kept|replay|two answers/],
  ['apply twice', applyTwice, /two answers|applied/],
  ['adopt by pid alone', adoptByPidAlone, /open orders|agent and processes/],
  ['skip the generation check', skipTheGenerationCheck, / items| generation/],
  [
    "lose a report's sequence",
    loseASequence,
    / reports|row of|stored reports|server and processes|pending runs/,
  ],
];
