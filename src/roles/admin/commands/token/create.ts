/**
 * `token create`: what a new node needs to join. The secret is made here and never crosses the
 * wire; the server gets the hash of its public half.
 */
import { Command, Option } from 'clipanion';
import { AdminCommand, checkName, checkOn, countOf, durationOf, usage } from '../../command.ts';
import { jsonText } from '../../render.ts';
import { views } from '../../views.ts';
import { parseLabels } from '../node/label.ts';

const roles: readonly string[] = ['agent', 'viewer', 'operator', 'admin'];
const TTL_MS = 3_600_000;
const TTL_MS_MAX = 7 * 86_400_000;

export class TokenCreate extends AdminCommand {
  static override paths = [['admin', 'token', 'create']];
  static override usage = Command.Usage({
    category: 'Tokens',
    description: 'Make a token that a node or a person joins with, and print its secret',
    details:
      'The secret is printed once, here; the server never has it. One use and one hour, ' +
      'unless said otherwise. A token of role agent is for lotc agent, the others for lotc admin ' +
      'login. An operator acts on what exists, within its scope; to create tasks and bundles it ' +
      'needs the grant "define", for ad-hoc commands "run".',
    examples: [
      ['A token for one node', '$0 admin token create --role agent'],
      [
        'Fifty nodes of a zone, for a day',
        '$0 admin token create --role agent --uses 50 --ttl 1d --label zone=a',
      ],
      [
        'Somebody who looks after zone a, and may choose what runs there as user app',
        "$0 admin token create --role operator --scope 'zone=a' --grant define --grant user=app",
      ],
    ],
  });

  role = Option.String('--role', {
    required: true,
    description: 'agent, viewer, operator or admin',
  });
  ttl = Option.String('--ttl', { description: 'Valid for so long (default 1h, at most 7d)' });
  uses = Option.String('--uses', { description: 'For so many nodes or logins (default 1)' });
  name = Option.String('--name', { description: 'The node, or the identity, gets this name' });
  labels = Option.Array('--label', [], { description: 'K=V: the node gets this label; repeats' });

  scope = Option.String('--scope', {
    description: 'A selector: what is made with it may act on these nodes only (default: all)',
  });
  grants = Option.Array('--grant', [], {
    description: 'define, run, user=NAME (an operator); logs (a viewer); repeats',
  });
  identityTtl = Option.String('--identity-ttl', {
    description: 'What login makes with it lapses after so long (default 90d, at most 400d)',
  });

  protected override async perform(): Promise<number> {
    if (!roles.includes(this.role)) {
      throw usage(`--role: "${this.role}" is none of ${roles.join(', ')}`);
    }
    const scope = checkOn(this.scope);
    const identityTtlMs = durationOf(this.identityTtl, '--identity-ttl');
    const ttlMs = durationOf(this.ttl, '--ttl') ?? TTL_MS;
    if (ttlMs < 1 || ttlMs > TTL_MS_MAX) throw usage('--ttl is more than 0 and at most 7d');
    const usesLeft = countOf(this.uses, '--uses') ?? 1;
    const labels = parseLabels(this.labels);
    const node = this.name === undefined ? undefined : checkName(this.name, '--name');
    const { secret: made, spki } = await this.console.makeToken(this.settings);
    const {
      tokens: [token],
      pin,
    } = await this.ask('hostToken', {
      ...{ spki, role: this.role, ttlMs, usesLeft },
      ...(node === undefined ? {} : { node }),
      ...(this.labels.length > 0 ? { labels } : {}),
      ...(scope === undefined ? {} : { scope }),
      ...(this.grants.length > 0 ? { grants: this.grants } : {}),
      ...(identityTtlMs === undefined ? {} : { identityTtlMs }),
    });
    // The CA that was known here when it was made may be over.
    const secret = pin === undefined ? made : withPin(made, pin);
    if (this.format === 'json' && token !== undefined) {
      const fields = views.token.json(token, this.console.nowUs());
      this.write(`${jsonText({ ...fields, secret }, 2)}\n`);
    } else this.write(`${secret}\n`);
    return 0;
  }
}

/** `pin`: hex SHA-256 of the CA's key. */
const withPin = (secret: string, pin: string): string =>
  [...secret.split('.').slice(0, 2), Buffer.from(pin, 'hex').toString('base64url')].join('.');
