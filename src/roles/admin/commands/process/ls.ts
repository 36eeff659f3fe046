/** `process ls`, `ps`: the current processes; with --all also ended runs. */
import { Command, Option } from 'clipanion';
import { isRunId } from '../../../../base/ids.ts';
import { AdminCommand, checkOn, checkTarget, usage } from '../../command.ts';
import { views } from '../../views.ts';

const states = [
  ...['pending', 'armed', 'running', 'suspended', 'stopping'],
  ...['exited', 'failed', 'lost'],
];

export class ProcessLs extends AdminCommand {
  static override paths = [
    ['admin', 'process', 'ls'],
    ['admin', 'ps'],
  ];
  static override usage = Command.Usage({
    category: 'Processes',
    description: 'List processes',
    details: 'Current processes, sorted by task, node and start; with `--all` also ended runs.',
    examples: [
      ['What runs now', '$0 admin ps'],
      [
        'What runs in a zone, for another command',
        '$0 admin ps -o name --state running --on zone=a',
      ],
      ['All runs of a task', '$0 admin ps --all crawl'],
    ],
  });

  all = Option.Boolean('-a,--all', false, { description: 'Also ended runs' });
  state = Option.Array('--state', [], { description: 'Only in this state; repeats, or a,b' });
  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  names = Option.Rest({ name: 'TARGET' });

  protected override async perform(): Promise<number> {
    const wanted = this.state.flatMap((text) => text.split(','));
    for (const state of wanted) {
      if (!states.includes(state))
        throw usage(`--state: "${state}" is none of ${states.join(', ')}`);
    }
    const names = this.names.length > 0 ? await this.targets(this.names, 'TARGET') : [];
    const on = checkOn(this.on);
    const { processes = [] } = await this.query({
      query: 'processes',
      names: names.map(checkTarget),
      ...(on === undefined ? {} : { on }),
      ...(wanted.length > 0 ? { states: wanted } : {}),
      ...(this.all ? { all: true } : {}),
    });
    // Tasks that were removed have a history, others were never there.
    for (const name of this.all ? names.filter((one) => !isRunId(one)) : []) {
      const [task = ''] = name.split('@');
      if (!processes.some((row) => row.task === task)) await this.mustKnow(task);
    }
    return this.list(views.process, processes);
  }
}
