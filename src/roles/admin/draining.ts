/** `node drain` and `node undrain`. */
import { Option } from 'clipanion';
import { ActingCommand } from './acting.ts';
import { checkName } from './command.ts';

export abstract class DrainingCommand extends ActingCommand {
  names = Option.Rest({ name: 'NODE', required: 1 });
  protected abstract readonly mode: 'drain' | 'undrain';
  protected abstract readonly done: string;

  protected override async perform(): Promise<number> {
    const { mode } = this;
    const names = await this.targets(this.names, 'NODE');
    for (const name of names) checkName(name, 'node');
    return this.tell(await this.act('depDrain', { mode, names }), this.done);
  }
}
