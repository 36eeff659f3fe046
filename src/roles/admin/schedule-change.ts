/** `schedule rm`, `pause` and `resume`: by id, by task, or all of some nodes. */
import { Option } from 'clipanion';
import { AdminCommand, checkName, checkOn, usage } from './command.ts';
import { judgeAnswers } from './outcome.ts';
import { answerJson } from './records.ts';
import { jsonText } from './render.ts';

export abstract class ScheduleChange extends AdminCommand {
  task = Option.String('--task', { description: 'All schedules of this task' });
  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  ids = Option.Rest({ name: 'ID' });
  protected abstract readonly mode: 'rm' | 'pause' | 'resume';

  protected override async perform(): Promise<number> {
    const on = checkOn(this.on);
    const task = this.task === undefined ? undefined : checkName(this.task, '--task');
    const names = this.ids.length === 0 ? [] : await this.targets(this.ids, 'ID');
    if (names.length === 0 && task === undefined && (on === undefined || this.mode === 'rm')) {
      const where = this.mode === 'rm' ? '' : ', or all of some nodes: --on SEL';
      throw usage(`name a schedule, or all of a task: --task NAME${where}`);
    }
    const { answers } = await this.ask('depSchedule', {
      mode: this.mode,
      ...(names.length === 0 ? {} : { names }),
      ...(task === undefined ? {} : { task }),
      ...(on === undefined ? {} : { on }),
    });
    const { complaints, exitCode } = judgeAnswers(answers);
    if (this.format === 'json') {
      this.write(`${jsonText({ operation: null, answers: answers.map(answerJson) })}\n`);
    } else if (this.format !== 'name') {
      const done = answers.filter(({ ok, text }) => ok && text !== undefined);
      this.write(done.map(({ text }) => `${text}\n`).join(''));
    }
    this.complain(complaints);
    return exitCode;
  }
}
