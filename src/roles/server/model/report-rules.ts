/**
 * What of a node's reports is taken at all. A node is root's on its machine, so what it says is
 * any bytes: ids become names of files where people fetch results, instants are reckoned with, and
 * what a node adds of its own stays in memory.
 */
import { isRunId } from '../../../base/ids.ts';
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import { endedStates, type NodeRecord, type State } from './state.ts';
import { timeFault } from './times.ts';

type Report = Shape<'report'>;

/** Why a report is left out; undefined where it is not. */
export function reportFault(state: State, node: NodeRecord, report: Report): string | undefined {
  return timeFault(report) ?? idFault(report) ?? manyFault(state, node, report);
}

function idFault({ run, process, kept, fire, answer }: Report): string | undefined {
  const ids = [run, process?.run, kept?.run, fire?.run, answer?.run];
  const other = ids.find((id) => id !== undefined && !isRunId(id));
  return other === undefined ? undefined : `"${other.slice(0, 64)}" is no run`;
}

/** Runs that the server ordered are in their place already: these are of the node's own making. */
function manyFault(
  { runs, index }: State,
  { uid }: NodeRecord,
  { process }: Report,
): string | undefined {
  if (!process || runs.has(process.run) || endedStates.has(process.processState)) return undefined;
  const { size = 0 } = index.runsOn.get(uid) ?? {};
  return size < limits.runsPerNode ? undefined : `it has ${size} runs already`;
}
