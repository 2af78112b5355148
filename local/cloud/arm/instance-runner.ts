/**
 * Runs one scale-set instance as a child and ends it when its own standard input closes, which the system does for
 * us when the simulator dies, also by `kill -9`. Arguments: the command and its arguments.
 */
import { spawn } from 'node:child_process';

const [command = '', ...parameters] = process.argv.slice(2);
const child = spawn(command, parameters, { stdio: ['ignore', 'inherit', 'inherit'] });

let ending = false;
const end = (): void => {
  if (ending) return;
  ending = true;
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
};
process.stdin.on('close', end).on('error', end).resume();
process.on('SIGTERM', end);
process.on('SIGINT', end);
child.on('error', (error) => {
  process.stderr.write(`scale-set instance: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code) => process.exit(code ?? 1));
