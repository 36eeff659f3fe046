/** `wait`: until the latest runs of the targets are in the state asked, or never can be. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkOn, checkTarget, usage } from '../command.ts';
import { judgeWait, waitGoals } from '../outcome.ts';
import { views } from '../views.ts';
import { readWords } from '../words.ts';

export class Wait extends AdminCommand {
  static override paths = [['admin', 'wait']];
  static override usage = Command.Usage({
    category: 'Processes',
    description: 'Wait until processes are in a state',
    details:
      'Judges the latest run, also one that has ended. With `--for exited` (the default) and ' +
      "one process it ends with the program's own code, 128+n for signal n; with several 0 " +
      'if all ended with 0, else 7. What never started is waited for, except with `--for ' +
      'gone`. An end in another state than asked is 3.',
    examples: [
      ['Start, then judge how it ended', '$0 admin start crawl && $0 admin wait crawl'],
      ['Until it is ready (READY=1, or a passed health check)', '$0 admin wait web --for ready'],
      ['Until it runs, ten seconds at most', '$0 admin wait crawl --for running --timeout 10s'],
    ],
  });

  waitFor = Option.String('--for', 'exited', {
    description: 'running, ready, suspended, exited (default) or gone',
  });
  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  targetWords = readWords();
  protected override defaultTimeoutMs: number | undefined = undefined;

  protected override async perform(): Promise<number> {
    if (!waitGoals.includes(this.waitFor)) {
      throw usage(`--for: "${this.waitFor}" is none of ${waitGoals.join(', ')}`);
    }
    const { tail = [], words } = this.targetWords;
    const targets = (await this.targets([...words, ...tail], 'TARGET')).map(checkTarget);
    const on = checkOn(this.on);
    const { processes = [] } = await this.ask('retWait', {
      ...{ targets, waitFor: this.waitFor },
      ...(on === undefined ? {} : { on }),
    });
    if (this.json || this.output !== undefined) this.list(views.process, processes);
    const { complaints, exitCode } = judgeWait(processes, this.waitFor);
    this.complain(complaints);
    return exitCode;
  }
}
