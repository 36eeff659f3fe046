/** `lotc agent`: options and their environment twins; no decision. */

import { Command, type CommandClass, Option } from 'clipanion';
import { DaemonCommand } from '../../base/daemon-command.ts';
import { parseDurationMs } from '../../base/duration.ts';
import { optionFlag, optionList, optionText } from '../../base/environment.ts';
import { usage } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { nameFault } from '../../base/names.ts';
import { isLoopback, parseAddress } from '../../net/address.ts';
import { parseTimeServers } from '../../net/time-server.ts';
import { type Claims, parseReserve, parseSlots } from '../../supervisor/room.ts';
import type { AgentOptions } from './agent.io.ts';
import type { TokenSource } from './data.io.ts';
import { hideCommandLine } from './title.io.ts';

class Agent extends DaemonCommand {
  static override paths = [['agent']];
  static override usage = Command.Usage({
    description: 'The agent of a node: runs and supervises processes there.',
    details: `
      Keeps everything below --data. At its first start it needs a token, by which it joins the
      fleet; from then on its own key is enough. Ends with 0 on SIGTERM or SIGINT: processes go
      on without it, and the next agent on the same directory takes them up again. SIGHUP makes
      it become the executable that lies at its path now, with the same pid.
    `,
    examples: [
      ['Join a fleet', 'lotc agent --data /var/lib/lotc --server fleet.example --token lotc1.…'],
      [
        'With a name and labels',
        'lotc agent --data a1 --server "[::1]:7416" --token-file t --name n1 --label zone=a',
      ],
      ['Later', 'lotc agent --data /var/lib/lotc --server fleet.example'],
    ],
  });

  server = Option.Array('--server', {
    description: 'an address of the server, repeatable (LOTC_SERVER)',
  });
  token = Option.String('--token', {
    description: 'joins the fleet with this token; - reads it from stdin (LOTC_TOKEN)',
  });
  tokenFile = Option.String('--token-file', {
    description: 'a file with the token (LOTC_TOKEN_FILE)',
  });
  name = Option.String('--name', {
    description: 'the name of the node (LOTC_NAME; default: the short host name)',
  });
  label = Option.Array('--label', { description: 'K=V, repeatable (LOTC_LABEL)' });
  slots = Option.String('--slots', {
    description: 'so many slots for tasks at one time (LOTC_SLOTS; default: no bound)',
  });
  reserve = Option.String('--reserve', {
    description: 'memory=SIZE,cpu=N that tasks may not ask for (LOTC_RESERVE; default: nothing)',
  });
  heartbeat = Option.String('--heartbeat', {
    description: 'how often the server hears of this node (LOTC_HEARTBEAT; default 5s)',
  });
  stopProcesses = Option.Boolean('--stop-processes', {
    description: 'stop every process before ending (LOTC_STOP_PROCESSES)',
  });
  requireSignature = Option.String('--require-signature', {
    description: 'bundles are to be signed by a public key of this file (LOTC_REQUIRE_SIGNATURE)',
  });
  rotateKey = Option.String('--rotate-key', {
    description: 'how often this node gets a new key (LOTC_ROTATE_KEY; default 30d)',
  });
  acceptCopy = Option.Boolean('--accept-copy', {
    description: 'the directory this one was copied from is gone for good (LOTC_ACCEPT_COPY)',
  });

  async execute(): Promise<number> {
    const { env } = this.context;
    hideCommandLine();
    const options = this.#options(env);
    delete env['LOTC_TOKEN'];
    const { runAgent } = await import('./agent.io.ts');
    return runAgent(options);
  }

  #options(env: typeof this.context.env): AgentOptions {
    const { timeServers, ...shared } = this.shared();
    const servers = optionList(this.server, 'server', env);
    if (servers.length === 0) {
      const hint = this.way('--server lotc.example.net', 'LOTC_SERVER');
      throw usage('option "--server" is missing', hint);
    }
    if (shared.plaintext) for (const server of servers) checkLoopback(server);
    const name = optionText(this.name, 'name', env);
    const fault = name === undefined ? undefined : nameFault(name);
    if (fault !== undefined) throw usage(`--name "${name}": ${fault}`);
    const heartbeat = optionText(this.heartbeat, 'heartbeat', env);
    return {
      ...shared,
      ...{ servers, name, token: this.#token(env) },
      ntp: parseTimeServers(timeServers),
      labels: labelsOf(optionList(this.label, 'label', env)),
      heartbeatMs: heartbeat === undefined ? undefined : heartbeatOf(heartbeat),
      claims: claimsOf(
        optionText(this.slots, 'slots', env),
        optionText(this.reserve, 'reserve', env),
      ),
      requireSignature: optionText(this.requireSignature, 'require-signature', env),
      rotateKeyMs: rotationOf(optionText(this.rotateKey, 'rotate-key', env)),
      stopProcesses: optionFlag(this.stopProcesses, 'stop-processes', env),
      acceptCopy: optionFlag(this.acceptCopy, 'accept-copy', env),
    };
  }

  #token(env: typeof this.context.env): TokenSource | undefined {
    if (this.token !== undefined && this.tokenFile !== undefined) {
      throw usage('--token and --token-file exclude each other');
    }
    const file = optionText(this.tokenFile, 'token-file', env);
    const text = optionText(this.token, 'token', env);
    if (text === '-') return { file: '-' };
    if (text !== undefined) return { text };
    return file === undefined ? undefined : { file };
  }
}

/** An agent tries for ever; this would never go right. */
function checkLoopback(server: string): void {
  const { host } = parseAddress(server);
  if (host === '' || isLoopback(host)) return;
  throw usage(`--plaintext is for loopback addresses only, and ${server} is none`);
}

function claimsOf(slots: string | undefined, reserve: string | undefined): Claims {
  return {
    ...(slots === undefined ? {} : { slots: parseSlots(slots) }),
    ...(reserve === undefined ? {} : parseReserve(reserve)),
  };
}

function rotationOf(text: string | undefined): number {
  if (text === undefined) return limits.rotateKeyMs;
  const ms = parseDurationMs(text, '--rotate-key');
  if (ms >= 1_000) return ms;
  throw usage('--rotate-key is at least 1s');
}

function labelsOf(words: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    const key = word.slice(0, at);
    if (at < 1) throw usage(`--label "${word}" is not K=V`);
    const fault = nameFault(key);
    if (fault !== undefined) throw usage(`--label "${word}": ${fault}`);
    labels[key] = word.slice(at + 1);
  }
  return labels;
}

function heartbeatOf(text: string): number {
  const ms = parseDurationMs(text, '--heartbeat');
  if (ms < limits.heartbeatMinMs || ms > limits.heartbeatMaxMs) {
    throw usage('--heartbeat is between 100ms and 1h');
  }
  return ms;
}

export const commands: readonly CommandClass[] = [Agent];
