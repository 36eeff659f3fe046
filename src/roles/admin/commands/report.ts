/** `report`: the whole system at an instant, once or again and again. */
import { Command, Option } from 'clipanion';
import { printable } from '../../../base/printable.ts';
import { AdminCommand, countOf, durationOf, usage } from '../command.ts';
import { jsonText } from '../render.ts';
import { latestOf, type Report as Reported, reportOf, reportText } from '../report.ts';

export class Report extends AdminCommand {
  static override paths = [['admin', 'report']];
  static override usage = Command.Usage({
    category: 'Nodes',
    description: 'Report on the whole system',
    details:
      'Nodes and their clocks, tasks, processes by state, what failed, firings and how late they ' +
      'were, resources together. With `--out` the file is replaced whole each time, so that ' +
      'whoever reads it never sees half a report. With `--every` it goes on until it is ended.',
    examples: [
      ['Now', '$0 admin report'],
      ['Each minute, for a monitor to read', '$0 admin report --every 1m --out report.json --json'],
    ],
  });

  every = Option.String('--every', { description: 'Again after each such time' });
  count = Option.String('--count', { description: 'With --every: so many reports' });
  out = Option.String('--out', { description: 'Into this file, replaced whole each time' });
  protected override defaultTimeoutMs: number | undefined = undefined;

  protected override async perform(): Promise<number> {
    const everyMs = durationOf(this.every, '--every');
    const count = countOf(this.count, '--count') ?? (everyMs === undefined ? 1 : Infinity);
    if (everyMs === 0) throw usage('--every 0 leaves no time between two reports');
    if (everyMs === undefined && this.count !== undefined) throw usage('--count goes with --every');
    for (let made = 0; made < count; made += 1) {
      if (made > 0) await this.#sleep(everyMs ?? 0);
      await this.#tell(await this.#report());
    }
    return 0;
  }

  async #report(): Promise<Reported> {
    const { nodes = [] } = await this.query({ query: 'nodes' });
    const { tasks = [] } = await this.query({ query: 'tasks' });
    const { processes = [] } = await this.query({ query: 'processes', all: true });
    const { summaries = [] } = await this.query({ query: 'summaries' });
    const { samples = [] } = await this.query({ query: 'stats' });
    const { tallies = [] } = await this.query({ query: 'limits' });
    const nowUs = this.console.nowUs();
    const latest = latestOf(processes);
    return reportOf({ nowUs, nodes, tasks, processes: latest, summaries, samples, tallies });
  }

  async #tell(report: Reported): Promise<void> {
    const lines = this.every !== undefined && this.out === undefined;
    const text =
      this.format === 'json'
        ? `${jsonText(report, lines ? undefined : 2)}\n`
        : printableLines(reportText(report));
    if (this.out === undefined) this.write(text);
    else await this.console.replaceFile(this.out, text);
  }

  #sleep(waitMs: number): Promise<void> {
    return new Promise((resolve) => void this.console.after(waitMs, resolve));
  }
}

const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');
