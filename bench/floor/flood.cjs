// RATE connections a second to HOST PORT, each with 600 bytes of garbage, for so many MS; says how
// many it made. Paced by the clock: what the machine cannot do is missing from the number.
'use strict';
const net = require('node:net');
const [host, port, rate, ms] = process.argv.slice(2);
const noise = Buffer.alloc(600, 0x16);
const begun = performance.now();
let [made, done] = [0, 0];
const one = () => {
  made += 1;
  const socket = net.connect({ host, port: Number(port) }, () => socket.end(noise));
  socket.on('error', () => undefined).resume();
  socket.on('close', () => {
    done += 1;
  });
};
const timer = setInterval(() => {
  const elapsed = performance.now() - begun;
  if (elapsed > Number(ms)) {
    clearInterval(timer);
    process.stdout.write(`${JSON.stringify({ made, done, seconds: elapsed / 1000 })}\n`, () => process.exit(0));
    return;
  }
  while (made < (elapsed * Number(rate)) / 1000) one();
}, 5);
