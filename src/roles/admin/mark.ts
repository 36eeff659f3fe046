/** `task enable` and `task disable`: the OK and NOK marks of a task. */
import { Option } from 'clipanion';
import { AdminCommand, checkName } from './command.ts';
import { judgeAnswers, placeOf } from './outcome.ts';
import { answerJson } from './records.ts';
import { jsonText } from './render.ts';

export abstract class MarkCommand extends AdminCommand {
  names = Option.Rest({ name: 'NAME', required: 1 });
  protected abstract readonly kind: 'taskOk' | 'taskNok';
  protected abstract readonly done: string;

  protected override async perform(): Promise<number> {
    const names = await this.targets(this.names, 'NAME');
    for (const name of names) checkName(name, 'task');
    const { answers } = await this.ask(this.kind, { names });
    const { complaints, exitCode } = judgeAnswers(answers);
    if (this.format === 'json') {
      this.write(`${jsonText({ operation: null, answers: answers.map(answerJson) })}\n`);
    } else {
      const marked = answers.filter(({ ok }) => ok).map((answer) => placeOf(answer));
      const suffix = this.format === 'name' ? '' : `: ${this.done}`;
      this.write(marked.map((name) => `${name}${suffix}\n`).join(''));
    }
    this.complain(complaints);
    return exitCode;
  }
}
