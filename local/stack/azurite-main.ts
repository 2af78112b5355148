/**
 * Azurite as a child that can say when it is ready and that ends with its parent. Arguments: the state directory, the
 * ports of blob, queue and table, the parent's process id.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isListening } from './ports';
import { watchParent } from './watch-parent';

async function main(): Promise<void> {
  const [location = '', blob = '', queue = '', table = '', parent = ''] = process.argv.slice(2);
  process.argv = [
    ...process.argv.slice(0, 2),
    ...['--silent', '--skipApiVersionCheck', '--disableTelemetry', '--location', location],
    ...['--blobPort', blob, '--queuePort', queue, '--tablePort', table],
  ];
  // It reads process.argv as it is loaded, and saves its state on SIGTERM.
  require('azurite/dist/src/azurite.js');
  watchParent(Number(parent), () => process.kill(process.pid, 'SIGTERM'));
  for (const port of [blob, queue, table].map(Number)) while (!(await isListening(port))) await sleep(50);
  process.stdout.write('{"ready":true}\n');
}

void main();
