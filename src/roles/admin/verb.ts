/**
 * The six verbs: start, suspend, resume, stop, kill, restart. They differ in the message they
 * send and in the words they use; targets, selection, waiting and answers are the same.
 */
import { Option } from 'clipanion';
import type { Req } from '../../net/layout.ts';
import type { Acted } from './acting.ts';
import { checkOn, checkTarget } from './command.ts';
import { TimedCommand } from './timed.ts';
import { readWords } from './words.ts';

export type Aimed = Pick<Req<'taskStop'>, 'targets' | 'on' | 'timing'>;

export abstract class VerbCommand extends TimedCommand {
  on = Option.String('--on', { description: 'Only on these nodes (a selector)' });
  targetWords = readWords();

  /** What an answer of --wait says was done. */
  protected abstract readonly done: string;
  protected abstract order(aimed: Aimed): Promise<Acted>;

  protected override async perform(): Promise<number> {
    const aimed = await this.aim();
    return this.tell(await this.order(aimed), this.done);
  }

  /** Words after `--` are targets too, where a verb has no other use for them. */
  protected get wordsOfTargets(): readonly string[] {
    return [...this.targetWords.words, ...(this.targetWords.tail ?? [])];
  }

  protected async aim(): Promise<Aimed> {
    const targets = (await this.targets(this.wordsOfTargets, 'TARGET')).map(checkTarget);
    const on = checkOn(this.on);
    return { targets, ...(on === undefined ? {} : { on }), ...this.timed() };
  }
}

/** The remark on orders for nodes that are away, for `--help`. */
export const AWAY =
  'Without --wait it returns once the order is durable and prints the id of the operation. ' +
  'A node that is away gets the order when it is back.';

/** The remark on schedules, for `--help`. */
export const SCHEDULED =
  'With `--at`, `--in`, `--every` or `--cron` it makes a schedule instead and prints its id; ' +
  'see `lotc admin schedule ls` and `lotc admin fires`.';
