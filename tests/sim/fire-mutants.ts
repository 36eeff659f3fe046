/** Ways to break the firing on purpose. A simulation that lets one of them live is blind. */
import type { FireFleet } from './fire-fleet.ts';

/** A mutant changes a fleet before anything has happened. */
export type FireMutation = (fleet: FireFleet) => void;

/** What was written is called durable before it is: a firing begins that nobody has claimed. */
function fireBeforeTheClaim({ agents }: FireFleet): void {
  for (const agent of agents) agent.commitsEarly = true;
}

/** What a shim has left on disk of a run that fired and ended is not read. */
function forgetTheRecord({ agents }: FireFleet): void {
  for (const { machine } of agents) {
    machine.onFound = (found) => {
      if (found.found.kind !== 'recorded') return found;
      return { ...found, found: { kind: 'dead', reason: 'no record was found' } };
    };
  }
}

/** After a reboot the runs of before are not looked for: a claim that has fired is a claim. */
function fireAgainAfterReboot({ agents }: FireFleet): void {
  for (const agent of agents) {
    const { machine } = agent;
    let boot = 1;
    agent.onTables = ({ fires, runs }) => {
      if (machine.boot === boot) return;
      boot = machine.boot;
      for (const [key, json] of fires) {
        const { targets: _, ...claim } = JSON.parse(json) as { targets?: string[]; run?: string };
        fires.set(key, JSON.stringify(claim));
        if (claim.run !== undefined) runs.delete(claim.run);
        if (claim.run !== undefined) machine.directories.delete(claim.run);
      }
    };
  }
}

/** How far instants were claimed is not read: they are claimed again. */
function loseTheCursor({ agents }: FireFleet): void {
  for (const agent of agents) agent.onTables = ({ cursors }) => cursors.clear();
}

/** The outcomes that wait for the server do not outlive the agent. */
function loseTheReports({ agents }: FireFleet): void {
  for (const agent of agents) {
    agent.onTables = ({ reports }) => {
      for (const [key, json] of reports) if (json.includes('"fire"')) reports.delete(key);
    };
  }
}

/** By name: how, and which check has to notice. */
export const fireMutants: readonly (readonly [string, FireMutation, by: RegExp])[] = [
  ['fire before the claim is durable', fireBeforeTheClaim, /at the instant|open claims|twice|ran/],
  ["forget the shim's record", forgetTheRecord, / ran| lost/],
  // It forgets runs too, which the server still has.
  ['fire twice after a reboot', fireAgainAfterReboot, /twice|started|instant| ran|server and/],
  ['lose the cursor', loseTheCursor, /twice|at the instant/],
  ['lose reports', loseTheReports, /ledger and reports|claims without outcome| ran/],
];
