/** `lotc completion`: a script for the shell, made from the commands themselves. */
import { Cli, Command, type CommandClass, Option } from 'clipanion';
import { LotcError } from '../../../base/errors.ts';
import type { Completed, Shell } from '../completion.ts';
import type { AdminContext } from '../context.ts';

/** Which names the arguments of a level's commands are. */
const namesOf: readonly (readonly [RegExp, string])[] = [
  [/^admin (task (show|set|rm|enable|disable|history)|task \w+$)/, 'task ls'],
  [/^admin (start|restart|wait|logs|ps|process ls|stats)$/, 'task ls'],
  [/^admin (stop|suspend|resume|kill)$/, 'ps'],
  [/^admin (unload|bundle (rm|show|ls))$/, 'bundle ls'],
  [/^admin (nodes|node \w+)$/, 'node ls'],
  [/^admin operation (show|cancel|wait)$/, 'operation ls'],
  [/^admin token rm$/, 'token ls'],
  [/^admin (schedule (show|rm|pause|resume|next)|fires)$/, 'schedule ls'],
];

export class Completion extends Command<AdminContext> {
  static override paths = [['completion']];
  static override usage = Command.Usage({
    description: 'Print a completion script: bash, zsh or fish',
    examples: [
      [
        'bash, for this user',
        '$0 completion bash > ~/.local/share/bash-completion/completions/lotc',
      ],
      ['zsh, in a directory of $fpath', '$0 completion zsh > ~/.zfunc/_lotc'],
      ['fish', '$0 completion fish > ~/.config/fish/completions/lotc.fish'],
    ],
  });

  shell = Option.String({ name: 'SHELL' });

  override async execute(): Promise<number> {
    const { completionScript, shells } = await import('../completion.ts');
    if (!(shells as readonly string[]).includes(this.shell)) {
      throw new LotcError('usage', `"${this.shell}" is none of ${shells.join(', ')}`);
    }
    const { allCommands } = await import('./index.ts');
    const known = this.#known(await allCommands());
    this.context.stdout.write(completionScript(this.shell as Shell, known));
    return 0;
  }

  /** Every path of every command, those of the other roles with their first path. */
  #known(commands: readonly CommandClass[]): readonly Completed[] {
    const known = new Map<string, Completed>();
    const add = (path: string, options: readonly string[]): void => {
      const names = namesOf.find(([pattern]) => pattern.test(path))?.[1];
      if (!known.has(path)) known.set(path, { path, options, names });
    };
    for (const command of commands) {
      const [definition] = Cli.from([command], { binaryName: 'lotc' }).definitions();
      const options = optionsOf(definition?.options ?? []);
      for (const path of command.paths ?? []) add(path.join(' '), options);
    }
    for (const { options, path } of this.cli.definitions()) {
      add(path.split(' ').slice(1).join(' '), optionsOf(options));
    }
    return [...known.values()];
  }
}

/** `-o,--output #0` → `-o --output`. */
const optionsOf = (options: readonly { readonly definition: string }[]): readonly string[] => [
  ...options.flatMap(({ definition }) => (definition.split(' ')[0] ?? '').split(',')),
  '--help',
];
