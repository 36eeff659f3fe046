/** What the command lines of both daemons share: options and their environment twins. */
import { Command, Option } from 'clipanion';
import { optionFlag, optionList, optionText } from './environment.ts';
import { usage } from './errors.ts';

/** Whatever works on a data directory. */
export abstract class DataCommand extends Command {
  data = Option.String('--data', { description: 'the data directory (LOTC_DATA)' });

  /** How an option is given, and where to read on. */
  protected way(example: string, twin: string): string {
    return `for instance ${example}, or ${twin}; see: lotc ${this.path.join(' ')} --help`;
  }

  protected directory(): string {
    const data = optionText(this.data, 'data', this.context.env);
    if (data !== undefined) return data;
    throw usage('option "--data" is missing', this.way('--data /var/lib/lotc', 'LOTC_DATA'));
  }
}

export abstract class DaemonCommand extends DataCommand {
  ntp = Option.Array('--ntp', {
    description: 'a time server, HOST[:PORT] or nts:HOST[:PORT], repeatable (LOTC_NTP)',
  });
  readyFile = Option.String('--ready-file', {
    description: 'written once ready (LOTC_READY_FILE)',
  });
  keylog = Option.String('--keylog', { description: 'TLS secrets for Wireshark (LOTC_KEYLOG)' });
  plaintext = Option.Boolean('--plaintext', {
    description: 'no TLS; loopback only (LOTC_PLAINTEXT)',
  });

  protected shared() {
    const { env } = this.context;
    return {
      data: this.directory(),
      timeServers: optionList(this.ntp, 'ntp', env),
      readyFile: optionText(this.readyFile, 'ready-file', env),
      keylog: optionText(this.keylog, 'keylog', env),
      plaintext: optionFlag(this.plaintext, 'plaintext', env),
    };
  }
}
