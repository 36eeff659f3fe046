// COUNT processes, eight at a time, each begun when another has ended. `starts.cjs COUNT PROGRAM FILE`
const { spawn } = require('node:child_process');
const [count, program, file] = process.argv.slice(2);
let left = Number(count);
const next = () => {
  if (left-- > 0) spawn(program, [file], { stdio: 'ignore' }).on('exit', next);
};
for (let at = 0; at < 8; at += 1) next();
