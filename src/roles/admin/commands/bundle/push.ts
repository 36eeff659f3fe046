/**
 * `bundle push`, `load`: content for nodes. It is read once for its digest; what the server has
 * already does not travel. The nodes fetch and verify it by themselves.
 */
import { Command, Option } from 'clipanion';
import { LotcError } from '../../../../base/errors.ts';
import { checkName, checkOn, isTty } from '../../command.ts';
import { progressLine } from '../../progress.ts';
import { TimedCommand } from '../../timed.ts';

export class BundlePush extends TimedCommand {
  static override paths = [
    ['admin', 'bundle', 'push'],
    ['admin', 'load'],
  ];
  static override usage = Command.Usage({
    category: 'Bundles',
    description: 'Load code onto nodes: PATH --name NAME',
    details:
      "PATH is a file, a directory or a tar (.tar, .tar.gz, .tar.zst). A directory's " +
      'content, or the file under its own name, stands at the root of each run. Default: on ' +
      'every node, also those that join later. Another content under a known name needs ' +
      '`--replace`; what runs keeps the old code until it is restarted. With a schedule flag ' +
      'the content travels now, and the name means it from that instant on.',
    examples: [
      [
        'A directory, and wait until every node has it',
        '$0 admin load ./crawler --name crawler --wait',
      ],
      [
        'A new version, in one zone',
        '$0 admin load crawler.tar.zst --name crawler --on zone=a --replace',
      ],
      [
        'A new version everywhere at one instant',
        '$0 admin load ./crawler --name crawler --replace --at 2026-12-24T12:00:00Z',
      ],
      ['Signed', '$0 admin load ./crawler --name crawler --sign key.pem'],
    ],
  });

  name = Option.String('--name', { required: true, description: 'Its name' });
  on = Option.String('--on', { description: 'On these nodes (a selector; default @all)' });
  replace = Option.Boolean('--replace', false, { description: 'Even if the content differs' });
  signKey = Option.String('--sign', {
    description: 'Sign it with this Ed25519 private key (PEM)',
  });
  path_ = Option.String({ name: 'PATH' });
  protected override defaultTimeoutMs: number | undefined = undefined;

  protected override async perform(): Promise<number> {
    const bundle = checkName(this.name, '--name');
    const on = checkOn(this.on);
    const timed = this.timed();
    const progress = this.#progress();
    const key = this.signKey === undefined ? undefined : await this.#key(this.signKey);
    const packed = await this.console.pack(this.path_, progress.show);
    try {
      for (const warning of packed.warnings) this.note(`warning: ${warning}`);
      const { digest, sizeBytes } = packed;
      if (!this.replace) await this.#checkContent(bundle, digest);
      const upload = {
        ...{ digest, sizeBytes, bundle, on: on ?? '@all' },
        read: (offset: number, length: number) => packed.read(offset, length),
      };
      await this.asker.upload(upload, (done) => progress.show('send', done, sizeBytes));
      progress.clear();
      const acted = await this.act('fileDef', {
        ...{ bundle, digest, sizeBytes },
        ...(on === undefined ? {} : { on }),
        ...(this.replace ? { replace: true } : {}),
        ...(key === undefined ? {} : { signature: await signed(digest, key) }),
        ...timed,
      });
      return this.tell(acted, 'loaded');
    } finally {
      progress.clear();
      await packed.dispose();
    }
  }

  async #key(path: string): Promise<string> {
    return new TextDecoder().decode(await this.console.readFile(path));
  }

  /** Before a gigabyte travels in vain; the server judges again when it counts. */
  async #checkContent(bundle: string, digest: string): Promise<void> {
    const { bundles = [] } = await this.query({ query: 'bundles' });
    const known = bundles.find((one) => one.bundle === bundle);
    if (known === undefined || known.digest === digest) return;
    throw new LotcError('exists', `bundle "${bundle}" exists with another content`, {
      hint: 'to put this in its place: --replace',
    });
  }

  #progress() {
    const { stderr } = this.context;
    let shown = '';
    const put = (line: string): void => {
      if (line === shown || !isTty(stderr)) return;
      stderr.write(`\r\x1b[K${line}`);
      shown = line;
    };
    const show = (phase: string, done: number, total: number): void =>
      put(progressLine(`${this.name}: ${phase}`, done, total));
    return { show, clear: () => put('') };
  }
}

/** Loaded by who signs only. */
async function signed(digest: string, key: string): Promise<string> {
  const { signContent } = await import('../../../../net/signature.ts');
  return signContent(digest, key);
}
