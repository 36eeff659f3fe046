/** `schedule next`: the coming instants, of one schedule or of all together. */
import { Command, Option } from 'clipanion';
import { AdminCommand, countOf, usage } from '../../command.ts';
import { nextView } from '../../schedule-views.ts';

const SHOWN = 5;

export class ScheduleNext extends AdminCommand {
  static override paths = [['admin', 'schedule', 'next']];
  static override usage = Command.Usage({
    category: 'Schedules',
    description: 'Show the coming instants: [ID] [N]',
    details: 'Five of them, or N. Rules of `--tz local` are shown in the zone of the server.',
    examples: [
      ['The next five instants of all schedules', '$0 admin schedule next'],
      ['The next ten of one', '$0 admin schedule next nightly 10'],
    ],
  });

  words = Option.Rest({ name: 'ID' });

  protected override async perform(): Promise<number> {
    const [first, second, ...rest] = this.words;
    if (rest.length > 0) throw usage('schedule next takes an id and a number');
    const isCount = second === undefined && first !== undefined && /^\d+$/.test(first);
    const limit = countOf(isCount ? first : second, 'N') ?? SHOWN;
    const names = isCount || first === undefined ? [] : [first];
    const { fires = [] } = await this.query({ query: 'next', names, limit });
    return this.list(nextView, fires);
  }
}
