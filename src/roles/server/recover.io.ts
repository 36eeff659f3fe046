/**
 * `lotc server recover-admin`: an admin identity for whoever owns the server's disk, which is who
 * owns the fleet in any case. The journal has it first, as an event and in the audit.
 */
import { randomBytes, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { LotcError } from '../../base/errors.ts';
import { issueKeyPair } from '../../net/certificate.io.ts';
import { spkiOf } from '../../net/token.ts';
import { writeFileDurably } from '../../store/durable.io.ts';
import { lockDirectory } from '../../store/lock.io.ts';
import { openJournal } from '../../store/open-journal.io.ts';
import { type AdminIdentity, openCredentials, serverFiles } from './data.io.ts';
import { type Command, encodeCommand } from './model/command.ts';

export interface Recovery {
  readonly out: string | undefined;
  readonly name: string | undefined;
}

export async function recoverAdmin(data: string, { out, name }: Recovery): Promise<string> {
  const files = serverFiles(data);
  if (!existsSync(files.journal)) {
    throw new LotcError('io', `${data} is no data directory of a server`, {
      hint: 'name the directory that lotc server --data had',
    });
  }
  using _lock = lockDirectory(data, 'server recover-admin');
  const { authority, admin, fleet } = await openCredentials(data, '');
  const made = name ?? `recovered-${randomBytes(3).toString('hex')}`;
  const pair = await issueKeyPair(authority, { fleet, role: 'admin', name: made });
  await journalIdentity(
    files.journal,
    made,
    spkiOf(new X509Certificate(pair.certificate).publicKey),
  );
  const { addresses } = admin;
  const { certificate: ca } = authority;
  const identity: AdminIdentity = {
    ...{ addresses, fleet, authority: ca, ...pair, name: made, role: 'admin' },
  };
  const path = out ?? files.admin;
  await writeFileDurably(path, Buffer.from(`${JSON.stringify(identity, null, 2)}\n`), 0o600);
  return `${made} (admin): ${path}\n`;
}

async function journalIdentity(path: string, identity: string, spki: string): Promise<void> {
  await using journal = await openJournal({ path, server: 'main' });
  // The machine's own clock: there is no server here to say what its error is.
  const at = Date.now() * 1000;
  const stamp = { key: randomBytes(16), at, who: 'recover-admin', origin: "the server's disk" };
  const body = { spki, identity, role: 'admin' };
  const command = { kind: 'identify', body, ...stamp, by: spki } as Command;
  await journal.append([encodeCommand(command)]);
}
