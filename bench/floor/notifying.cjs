// A program in a run: says that it lives, in each way in turn, and writes down what each took, ms.
// notifying.cjs OUT ROUNDS LOTC
const { spawnSync } = require('node:child_process');
const { renameSync, writeFileSync } = require('node:fs');

const [out, rounds, lotc] = process.argv.slice(2);
const ways = {
  notify: [lotc, 'notify', 'STATUS=busy'],
  tool: ['lotc-notify', 'STATUS=busy'],
  node: [process.execPath, '-e', '0'],
  fork: ['true'],
};
const times = { notify: [], tool: [], node: [], fork: [] };
for (let round = 0; round <= Number(rounds); round += 1) {
  for (const [name, [program, ...words]] of Object.entries(ways)) {
    const begin = performance.now();
    const { status, error } = spawnSync(program, words, { stdio: 'ignore' });
    if (status !== 0) throw error ?? new Error(`${program}: ${status}`);
    if (round > 0) times[name].push(performance.now() - begin);
  }
}
writeFileSync(`${out}.tmp`, JSON.stringify(times));
renameSync(`${out}.tmp`, out);
