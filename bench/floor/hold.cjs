// Opens COUNT mutual-TLS connections, 20 at a time, says so, and holds them.
'use strict';
const { readFileSync } = require('node:fs');
const tls = require('node:tls');
const options = JSON.parse(readFileSync(process.argv[2], 'utf8'));
let left = Number(process.argv[3]);
let open = left;
const next = () => {
  if (left === 0) return;
  left -= 1;
  const socket = tls.connect({ ...options, checkServerIdentity: () => undefined });
  socket.once('secureConnect', () => socket.write('?'));
  socket.once('data', () => {
    open -= 1;
    if (open === 0) process.stdout.write('open\n');
    next();
  });
};
for (let n = 0; n < 20; n += 1) next();
