/** `login`: an identity of one's own on this machine, by a token. */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName, usage } from '../command.ts';
import { jsonText } from '../render.ts';

export class Login extends AdminCommand {
  static override paths = [['admin', 'login']];
  static override usage = Command.Usage({
    category: 'Identities',
    description: 'Make an identity on this machine with a token',
    details:
      'The key is made here and never leaves. The server is proven by the token before anything ' +
      'is sent to it. Written to --identity, or the default place, readable by you alone. With a ' +
      'passphrase the key is encrypted; later commands ask for it at the terminal, or read it from ' +
      'the file that LOTC_PASSPHRASE_FILE names.',
    examples: [
      [
        'With a token from: lotc admin token create --role operator',
        '$0 admin login --server fleet.example:7416 --token lotc1.…',
      ],
      ['A token that stands in no history', '$0 admin login --server 10.0.0.1 --token-file -'],
    ],
  });

  token = Option.String('--token', { env: 'LOTC_TOKEN', description: 'The token ($LOTC_TOKEN)' });
  tokenFile = Option.String('--token-file', { description: 'A file that holds it; - is stdin' });
  name = Option.String('--name', { description: 'Its name (default: user and machine)' });
  passphraseFile = Option.String('--passphrase-file', {
    env: 'LOTC_PASSPHRASE_FILE',
    description: 'A file with a passphrase for the key ($LOTC_PASSPHRASE_FILE)',
  });
  passphrase = Option.Boolean('--passphrase', false, { description: 'Ask for one' });
  force = Option.Boolean('--force', false, { description: 'In place of the identity there is' });

  protected override async perform(): Promise<number> {
    const name = this.name === undefined ? undefined : checkName(this.name, '--name');
    const { servers } = this.settings;
    if (servers.length === 0) throw usage('--server is missing: a token does not say where it is');
    const token = await this.#token();
    const { force, passphrase, passphraseFile } = this;
    const request = { token, name, force, passphrase, passphraseFile };
    const made = await this.console.login(this.settings, request);
    if (this.format === 'json') this.write(`${jsonText(made, 2)}\n`);
    else if (this.format === 'name') this.write(`${made.name}\n`);
    else this.write(`${made.name} (${made.role}): ${made.path}\n`);
    return 0;
  }

  #token(): Promise<string> | string {
    if (this.tokenFile !== undefined) return this.console.readToken(this.tokenFile);
    if (this.token === '-') return this.console.readToken('-');
    if (this.token === undefined) throw usage('--token or --token-file is missing');
    return this.token;
  }
}
