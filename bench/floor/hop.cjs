// One hop of content over mutual TLS 1.3 by bare Node, durable at its end.
//   hop.cjs receive OPTIONS FILE         says its port; each connection's bytes go to FILE
//   hop.cjs send OPTIONS FILE PORT…      to all ports at once; ends when all have synced
'use strict';
const { createReadStream, createWriteStream, fdatasync, readFileSync } = require('node:fs');
const tls = require('node:tls');
const [, , mode, settings, file, ...ports] = process.argv;
const options = JSON.parse(readFileSync(settings, 'utf8'));
if (mode === 'receive') {
  const server = tls.createServer({ ...options, requestCert: true, allowHalfOpen: true });
  server.on('secureConnection', (socket) => {
    const out = createWriteStream(file, { highWaterMark: 1 << 20, autoClose: false });
    socket.pipe(out).on('finish', () => fdatasync(out.fd, () => socket.end('ok')));
  });
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
} else {
  let left = ports.length;
  for (const port of ports) {
    const to = { ...options, port: Number(port), checkServerIdentity: () => undefined };
    const socket = tls.connect({ ...to, allowHalfOpen: true });
    createReadStream(file, { highWaterMark: 1 << 18 }).pipe(socket);
    socket.on('data', () => {
      left -= 1;
      if (left === 0) process.exit(0);
    });
    socket.on('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    });
  }
}
