// The least supervisor in Node: starts a program again when it has ended. `keep.cjs PROGRAM FILE`
const { spawn } = require('node:child_process');
const [program, file] = process.argv.slice(2);
const begin = () => spawn(program, [file], { stdio: 'ignore' }).on('exit', begin);
begin();
