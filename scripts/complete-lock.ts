/**
 * Completes package-lock.json after dependencies changed: `node scripts/complete-lock.ts`.
 *
 * npm leaves out the packages for other platforms that its registry does not serve, and then its
 * own `npm ci` refuses the lock ("Missing: …@ from lock file", npm/cli issue 9846). Each of them
 * is pinned by the package that lists it, to one exact version, so the entry is known without
 * asking: it is written with the platform its name says, and with no integrity, because nothing
 * is ever downloaded for it where LOTC is built (Linux with glibc, x64 and arm64). A name that
 * says no other platform is a package we need: it is never made up, and the script fails.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Entry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const path = join(import.meta.dirname, '../package-lock.json');
const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd'];
const otherSystems = ['openharmony', 'sunos', 'win32'];
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64'];

function platformOf(name: string): { os: string[]; cpu: string[]; libc?: string[] } {
  const words = name.split(/[-/]/u);
  const os = [...systems, ...otherSystems].filter((word) => words.includes(word));
  const cpu = processors.filter((word) => words.includes(word));
  const musl = words.some((word) => word.startsWith('musl'));
  const isOurs = os[0] === 'linux' && !musl && (cpu[0] === 'x64' || cpu[0] === 'arm64');
  if (os.length !== 1 || cpu.length !== 1 || isOurs) {
    throw new Error(`${name} is not in the lock, and its name says no other platform`);
  }
  return { os, cpu, ...(musl ? { libc: ['musl'] } : {}) };
}

const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Entry> };
const found = Object.entries(lock.packages);
let added = 0;
for (const [parent, { dev, optionalDependencies = {} }] of found) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] !== undefined || `${parent}/${key}` in lock.packages) continue;
    if (!/^\d+\.\d+\.\d+$/u.test(version)) throw new Error(`${name}@${version} is not exact`);
    const { os, cpu, libc } = platformOf(name);
    const entry = { version, cpu, ...(dev === true ? { dev } : {}), ...(libc && { libc }) };
    Object.assign(lock.packages, { [key]: { ...entry, optional: true, os } });
    added += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`package-lock.json: ${added} entries for other platforms added`);
