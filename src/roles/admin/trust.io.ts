/** The server's word on which CAs its fleet has, kept in the identity's file. */
import { readFile } from 'node:fs/promises';
import { holdsAuthorities } from '../../net/trust.ts';
import { writeFileDurably } from '../../store/durable.io.ts';

/** Whether it was written; a file that cannot be is a warning, and tried again the next time. */
export async function keepAuthority(
  path: string,
  authority: string,
  warn: (text: string) => void,
): Promise<boolean> {
  if (!holdsAuthorities(authority)) return false;
  try {
    const fields = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    await writeFileDurably(path, `${JSON.stringify({ ...fields, authority }, null, 2)}\n`, 0o600);
    return true;
  } catch (error) {
    warn(
      `the fleet's CA is being rotated, and ${path} cannot take the new one: ${(error as Error).message}`,
    );
    return false;
  }
}
