// The floor's server: mutual TLS 1.3, each byte that comes in is answered by one, nothing else.
'use strict';
const { readFileSync } = require('node:fs');
const tls = require('node:tls');
const options = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const server = tls.createServer({ ...options, requestCert: true }, (socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => socket.write(bytes));
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  process.stdout.write(`${server.address().port}\n`);
});
