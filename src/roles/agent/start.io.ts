/** What a node needs before its core can begin: directories, clock, shim, containment, tables. */
import { step } from '../../base/step.io.ts';
import { openClock } from '../../scheduler/clock.io.ts';
import { openTables } from '../../store/tables.io.ts';
import { detectContainment } from '../../supervisor/containment.io.ts';
import { installShim, installTools } from '../../supervisor/install.io.ts';
import { Limiter } from '../../supervisor/limit.io.ts';
import { dataPaths } from '../../supervisor/paths.ts';
import { prepareRuns } from '../../supervisor/run-directory.io.ts';
import { RunTrees } from '../../supervisor/tree.io.ts';
import { agentFiles } from './data.io.ts';
import { Node, type NodeOptions } from './node.io.ts';

/** Takes up the directory's runs and keeps the line to the server, until disposed of. */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { data, log } = options;
  const files = agentFiles(data);
  prepareRuns(data);
  const clock = await openClock({ servers: options.ntp, log });
  const shim = await installShim(`${data}/private`);
  await installTools(shim, dataPaths(data).tools);
  const containment = await detectContainment({ instance: options.instance });
  if (containment.kind === 'walk') {
    log('warn', 'no control groups: trees of processes are walked', { why: containment.reason });
  }
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const tables = await openTables(files.tables, { onFatal: (error) => failed.reject(error) });
  const node = new Node(options, {
    ...{ clock, shim, tables, failed: failed.promise },
    trees: new RunTrees(containment, new Limiter({ containment, instance: options.instance })),
  });
  await node.boot();
  step('boot: done');
  return node;
}
