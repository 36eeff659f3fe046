/** `task start`, `start`: one run of each target on each selected node. */
import { Command, Option } from 'clipanion';
import type { Acted } from '../../acting.ts';
import { parseEnv } from '../../forms.ts';
import { type Aimed, AWAY, SCHEDULED, VerbCommand } from '../../verb.ts';

export class TaskStart extends VerbCommand {
  static override paths = [
    ['admin', 'task', 'start'],
    ['admin', 'start'],
  ];
  static override usage = Command.Usage({
    category: 'Tasks',
    description: 'Start tasks now',
    details:
      'Starts every target on every node it selects. A target that runs already is fine. ' +
      `${AWAY} ${SCHEDULED} Words after \`--\` are added to the task's command for this run.`,
    examples: [
      ['Start a task wherever it belongs', '$0 admin start crawl'],
      ['Start on two nodes and wait until it runs', '$0 admin start crawl --on n1,n2 --wait'],
      ['One run with more arguments', '$0 admin start crawl --env DEBUG=1 -- --depth 5'],
      ['Every night, in Warsaw', "$0 admin start crawl --cron '30 2 * * *' --tz Europe/Warsaw"],
      [
        'In two seconds, if the clocks are good',
        '$0 admin start crawl --in 2s --max-clock-error 50ms',
      ],
    ],
  });

  env = Option.Array('--env', [], { description: 'K=V: more environment, for this run; repeats' });
  protected readonly done = 'running';

  protected override get wordsOfTargets(): readonly string[] {
    return this.targetWords.words;
  }

  protected order(aimed: Aimed): Promise<Acted> {
    const env = parseEnv(this.env);
    const { tail = [] } = this.targetWords;
    return this.act('taskRun', {
      ...aimed,
      mode: 'start',
      ...(this.env.length > 0 ? { env } : {}),
      ...(tail.length > 0 ? { arguments: tail } : {}),
    });
  }
}
