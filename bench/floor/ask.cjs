// The least that a console can be: connect by mutual TLS 1.3, ask once, be answered, end.
'use strict';
const { readFileSync } = require('node:fs');
const tls = require('node:tls');
const options = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const socket = tls.connect({ ...options, checkServerIdentity: () => undefined }, () => {
  socket.write('?'.repeat(100));
});
socket.setNoDelay(true);
socket.on('data', () => process.exit(0));
socket.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
