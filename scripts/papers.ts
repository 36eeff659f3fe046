/**
 * What goes beside the executable: its SHA-256 (`dist/SHA256SUMS`, for sha256sum -c) and what it is
 * made of (`dist/lotc.cdx.json`, CycloneDX 1.5), out of the lock file alone. No serial number and
 * no date: the same commit gives the same list.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly integrity?: string;
  readonly license?: string;
  readonly cpu?: readonly string[];
}

/** The packages that are compiled in, with the hash the lock file holds them to. */
function components(packages: Readonly<Record<string, Locked>>): object[] {
  return Object.entries(packages)
    .filter(([path, { cpu, dev }]) => path !== '' && !dev && (cpu?.includes(process.arch) ?? true))
    .map(([path, { integrity = '', license, version = '' }]) => {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      const [algorithm = '', hash = ''] = integrity.split('-');
      const content = Buffer.from(hash, 'base64').toString('hex');
      return {
        ...{ type: 'library', name, version },
        purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
        ...(algorithm === 'sha512' ? { hashes: [{ alg: 'SHA-512', content }] } : {}),
        ...(license === undefined ? {} : { licenses: [{ expression: license }] }),
      };
    });
}

export function materials(version: string, commit: string): object {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  const component = {
    ...{ type: 'application', name: 'lotc', version, purl: `pkg:generic/lotc@${version}` },
    properties: [{ name: 'lotc:commit', value: commit }],
  };
  return {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1, metadata: { component } },
    components: components(lock.packages),
  };
}

export function writePapers(version: string, commit: string): void {
  const list = `${JSON.stringify(materials(version, commit), null, 2)}\n`;
  writeFileSync(join(root, 'dist/lotc.cdx.json'), list);
  const sums = ['lotc', 'lotc.cdx.json'].map((name) => {
    const bytes = readFileSync(join(root, 'dist', name));
    return `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`;
  });
  writeFileSync(join(root, 'dist/SHA256SUMS'), sums.join(''));
}
