/** An agent to be killed: `launcher.ts SHIM LAUNCH-AS-JSON` starts a run and says its events. */

import type { Launch } from '../../src/supervisor/launch.ts';
import { launchShim } from '../../src/supervisor/shim.io.ts';

const [, , shim = '', launch = ''] = process.argv;
launchShim(shim, JSON.parse(launch) as Launch, (event) => {
  console.log(JSON.stringify(event));
});
