/** `lotc server` and its offline tools: options and their environment twins; no decision. */

import { Command, type CommandClass, Option } from 'clipanion';
import { DaemonCommand, DataCommand } from '../../base/daemon-command.ts';
import { parseDurationMs } from '../../base/duration.ts';
import { optionList, optionText } from '../../base/environment.ts';
import { usage } from '../../base/errors.ts';
import { nameFault } from '../../base/names.ts';
import { parseTimeServers } from '../../net/time-server.ts';
import { parseHooks } from './hook-rule.ts';
import { parseSyslog } from './syslog.ts';

class Server extends DaemonCommand {
  static override paths = [['server']];
  static override usage = Command.Usage({
    description: 'The server: keeps the fleet’s state, answers consoles, commands agents.',
    details: `
      Keeps everything below --data. At its first start it makes the fleet's certificate
      authority, its own certificate and \`DIR/admin.json\`, the identity of the first admin.
      Ends with 0 on SIGTERM or SIGINT; agents and their processes go on without it.

      A hook is told of events: a program gets each as JSON on its standard input, a URL by POST,
      at least once and in order. KINDS are kinds of events (\`lotc admin events\`), globs, or
      failed, hung, lost (runs), away (nodes), late (firings), separated by commas.
    `,
    examples: [
      ['Start a server on the default port, IPv6 and IPv4', 'lotc server --data /var/lib/lotc'],
      [
        'On one address, any free port',
        'lotc server --data s --listen "[::1]:0" --ready-file s.ready',
      ],
      [
        'Start a program when a run fails or hangs, or a node is away',
        'lotc server --data s --hook failed,hung,away=/usr/local/bin/tell',
      ],
      [
        'Post what happens to nodes',
        'lotc server --data s --hook "node-*=https://alerts.example.net/lotc"',
      ],
    ],
  });

  listen = Option.Array('--listen', {
    description: 'an address to listen on, repeatable (LOTC_LISTEN; default [::]:7416 and 0.0.0.0)',
  });
  keepFires = Option.String('--keep-fires', {
    description: 'the ledger of firings: an age, a size or both (LOTC_KEEP_FIRES; 90d,1GiB)',
  });
  requireSignature = Option.String('--require-signature', {
    description: 'bundles are to be signed by a public key of this file (LOTC_REQUIRE_SIGNATURE)',
  });
  keepAudit = Option.String('--keep-audit', {
    description: 'who did what: an age (LOTC_KEEP_AUDIT; 400d)',
  });

  auditSyslog = Option.String('--audit-syslog', {
    description: 'the audit also to /dev/log or udp:HOST[:PORT] (LOTC_AUDIT_SYSLOG)',
  });
  hook = Option.Array('--hook', {
    description: 'KINDS=PROGRAM|URL: told of such events, repeatable (LOTC_HOOK)',
  });
  hookRetry = Option.String('--hook-retry', {
    description: 'so long an event is tried again for a hook that fails (LOTC_HOOK_RETRY; 1h)',
  });

  async execute(): Promise<number> {
    const { env } = this.context;
    const hooks = parseHooks(optionList(this.hook, 'hook', env));
    const auditSyslog = optionText(this.auditSyslog, 'audit-syslog', env);
    const hookRetry = optionText(this.hookRetry, 'hook-retry', env);
    const { runServer } = await import('./server.io.ts');
    const { timeServers, ...shared } = this.shared();
    return runServer({
      ...shared,
      ntp: parseTimeServers(timeServers),
      listen: optionList(this.listen, 'listen', env),
      keepFires: optionText(this.keepFires, 'keep-fires', env),
      keepAudit: optionText(this.keepAudit, 'keep-audit', env),
      requireSignature: optionText(this.requireSignature, 'require-signature', env),
      hooks,
      syslog: auditSyslog === undefined ? undefined : parseSyslog(auditSyslog),
      hookGiveUpMs:
        hookRetry === undefined ? undefined : parseDurationMs(hookRetry, '--hook-retry'),
    });
  }
}

class Backup extends DataCommand {
  static override paths = [['server', 'backup']];
  static override usage = Command.Usage({
    description: 'Copies a data directory, also while its server runs.',
    details:
      'The copy is consistent and holds the fleet’s keys: keep it as private as the original.',
    examples: [
      ['Into a new directory', 'lotc server backup --data /var/lib/lotc --to /backup/lotc-1'],
    ],
  });
  to = Option.String('--to', {
    required: true,
    description: 'a directory that does not exist yet',
  });

  async execute(): Promise<number> {
    const { backup } = await import('./offline.io.ts');
    this.context.stdout.write(await backup(this.directory(), this.to));
    return 0;
  }
}

class Restore extends DataCommand {
  static override paths = [['server', 'restore']];
  static override usage = Command.Usage({
    description: 'Puts a backup in place, or accepts that a journal went back.',
    details: `
      What happened after the backup is gone. The journal goes on as a new history, so that agents
      that have seen more are told, and nothing of the old one is taken for the new.
    `,
    examples: [
      [
        'A backup into a new directory',
        'lotc server restore --data /var/lib/lotc --from /backup/lotc-1',
      ],
      [
        'Accept what is left of a damaged one',
        'lotc server restore --data /var/lib/lotc --accept-loss',
      ],
    ],
  });
  from = Option.String('--from', { description: 'a directory made by lotc server backup' });
  acceptLoss = Option.Boolean('--accept-loss', false, { description: 'go on from what is there' });

  async execute(): Promise<number> {
    if (this.from === undefined && !this.acceptLoss) {
      throw usage(
        'one of "--from DIR" and "--accept-loss" is missing',
        'see: lotc server restore --help',
      );
    }
    const { restore } = await import('./offline.io.ts');
    this.context.stdout.write(await restore(this.directory(), this.from));
    return 0;
  }
}

class Check extends DataCommand {
  static override paths = [['server', 'check']];
  static override usage = Command.Usage({
    description: 'Reads the whole journal, its checksums, snapshots and blobs, and reports.',
    examples: [['Check', 'lotc server check --data /var/lib/lotc']],
  });

  async execute(): Promise<number> {
    const { check } = await import('./offline.io.ts');
    const { ok, report } = await check(this.directory());
    this.context.stdout.write(report);
    return ok ? 0 : 1;
  }
}

class RecoverAdmin extends DataCommand {
  static override paths = [['server', 'recover-admin']];
  static override usage = Command.Usage({
    description: 'Makes a new admin identity, for whoever owns the server’s disk.',
    details: `
      For a fleet whose admins are all gone. The server must not run. The journal says that it was
      done; older identities stay as they are: revoke what was lost.
    `,
    examples: [
      ['A new DIR/admin.json', 'lotc server recover-admin --data /var/lib/lotc'],
      ['Elsewhere', 'lotc server recover-admin --data /var/lib/lotc --out ann.json --name ann'],
    ],
  });
  out = Option.String('--out', { description: 'the identity file (default: DIR/admin.json)' });
  name = Option.String('--name', { description: 'its name (default: recovered-…)' });

  async execute(): Promise<number> {
    const fault = this.name === undefined ? undefined : nameFault(this.name);
    if (fault !== undefined) throw usage(`--name "${this.name}": ${fault}`);
    const { recoverAdmin } = await import('./recover.io.ts');
    const { out, name } = this;
    this.context.stdout.write(await recoverAdmin(this.directory(), { out, name }));
    return 0;
  }
}

export const commands: readonly CommandClass[] = [Server, Backup, Restore, Check, RecoverAdmin];
