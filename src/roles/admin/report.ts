/** The whole system at an instant, as an object and as text. Pure. */
import { formatInstant } from '../../base/clock.ts';
import { roughSizeBytes } from '../../base/size.ts';
import type { Shape } from '../../net/layout.ts';
import { ms, orNull } from './cells.ts';
import { placeOf } from './outcome.ts';

export interface Observed {
  readonly nowUs: number;
  readonly nodes: readonly Shape<'node'>[];
  readonly tasks: readonly Shape<'task'>[];
  /** The latest of each task on each node, and what lives. */
  readonly processes: readonly Shape<'process'>[];
  readonly summaries: readonly Shape<'summary'>[];
  readonly samples: readonly Shape<'sample'>[];
  readonly tallies: readonly Shape<'tally'>[];
}

/** Of all runs: what lives, and the latest of each task on each node. */
export function latestOf(processes: readonly Shape<'process'>[]): readonly Shape<'process'>[] {
  const latest = new Map<string, Shape<'process'>>();
  for (const row of processes) {
    const { task, node, run, exitedAt, createdAt = 0 } = row;
    if (task === undefined && exitedAt !== undefined) continue;
    const key = task === undefined ? run : `${task}@${node}`;
    if ((latest.get(key)?.createdAt ?? -1) < createdAt) latest.set(key, row);
  }
  return [...latest.values()];
}

export type Report = ReturnType<typeof reportOf>;

function counted(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words.toSorted()) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

const sum = (values: readonly (number | undefined)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);
const most = (values: readonly (number | undefined)[]): number | null => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : Math.max(...known);
};

export function reportOf(observed: Observed) {
  const { nowUs, nodes, tasks, processes, summaries, samples, tallies } = observed;
  const runs = samples.filter(({ run }) => run !== undefined);
  const machines = samples.filter(({ run }) => run === undefined);
  const bad = processes.filter(({ processState: state, exitCode = 0, signal, wish }) => {
    if (state === 'failed' || state === 'lost') return true;
    return state === 'exited' && wish !== 'down' && (exitCode !== 0 || signal !== undefined);
  });
  return {
    at: formatInstant(nowUs),
    nodes: {
      total: nodes.length,
      states: counted(nodes.map(({ nodeState }) => nodeState)),
      away: nodes
        .filter(({ nodeState }) => !['online', 'draining'].includes(nodeState))
        .map(({ node }) => node),
    },
    clock: {
      synchronized: nodes.filter(({ clock }) => clock?.synchronized === true).length,
      worstErrorUs: most(nodes.map(({ clock }) => clock?.clockErrorUs)),
    },
    tasks: { total: tasks.length, disabled: tasks.filter(({ enabled }) => !enabled).length },
    processes: counted(processes.map(({ processState }) => processState)),
    failures: bad.map((row) => ({
      ...{ task: orNull(row.task), node: orNull(row.node), run: row.run, state: row.processState },
      ...{ exitCode: orNull(row.exitCode), signal: orNull(row.signal), reason: orNull(row.reason) },
    })),
    firings: {
      total: sum(summaries.map(({ count }) => count)),
      ok: sum(summaries.map(({ okCount }) => okCount)),
      skipped: sum(summaries.map(({ skippedCount }) => skippedCount)),
      failed: sum(summaries.map(({ failedCount }) => failedCount)),
      lost: sum(summaries.map(({ lostCount }) => lostCount)),
      worstLateUs: most(summaries.map(({ lateMaxUs }) => lateMaxUs)),
      worstSkewUs: most(summaries.map(({ skewMaxUs }) => skewMaxUs)),
    },
    resources: {
      cpuPercent: Math.round(sum(runs.map(({ cpuPercent }) => cpuPercent)) * 10) / 10,
      memoryBytes: sum(runs.map(({ memoryBytes }) => memoryBytes)),
      nodeMemoryBytes: sum(machines.map(({ memoryBytes }) => memoryBytes)),
      nodeMemoryTotalBytes: sum(machines.map(({ memoryTotalBytes }) => memoryTotalBytes)),
      leastDiskFreeBytes: least(machines.map(({ diskFreeBytes }) => diskFreeBytes)),
    },
    /** Since the server started: what was refused for which limit or fault. */
    limits: Object.fromEntries(tallies.map(({ text, count }) => [text, count])),
  };
}

const least = (values: readonly (number | undefined)[]): number | null => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : Math.min(...known);
};

const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ') || 'none';

export function reportText(report: Report): string {
  const { nodes, clock, tasks, processes, firings, resources, failures } = report;
  const away = nodes.away.length > 0 ? ` (${nodes.away.join(', ')})` : '';
  const error = ms(clock.worstErrorUs ?? undefined) || 'unknown';
  const { ok, skipped, failed, lost } = firings;
  const late = ms(firings.worstLateUs ?? undefined) || '-';
  const free = resources.leastDiskFreeBytes;
  const lines = [
    `report of ${report.at}`,
    `nodes      ${listed(nodes.states)}${away}`,
    `clocks     ${clock.synchronized} of ${nodes.total} synchronized, worst error ${error}`,
    `tasks      ${tasks.total}, ${tasks.disabled} disabled`,
    `processes  ${listed(processes)}`,
    `firings    ${ok} ok, ${skipped} skipped, ${failed} failed, ${lost} lost; latest ${late}`,
    `resources  CPU ${resources.cpuPercent} %, memory ${roughSizeBytes(resources.memoryBytes)}` +
      (free === null ? '' : `; least disk free ${roughSizeBytes(free)}`),
    `limits     ${listed(report.limits)}`,
    ...failures.map((one) => {
      const end = one.signal ?? (one.exitCode === null ? '' : `code ${one.exitCode}`);
      const what = placeOf({
        task: one.task ?? undefined,
        node: one.node ?? undefined,
        run: one.run,
      });
      return `failure    ${[what, one.run, one.state, end, one.reason ?? ''].filter(Boolean).join(' ')}`;
    }),
  ];
  return `${lines.join('\n')}\n`;
}
