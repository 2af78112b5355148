/**
 * Loaded with `node --require` into a drill's data proxies, and into nothing else: counts the process's I/O points and sends
 * the process a signal at one of them. The product has no part in it: Node and undici themselves announce each request.
 *
 *   DRILL_SIGNAL_AT=SIGKILL:17   SIGKILL at the 17th point; SIGTERM and SIGSTOP likewise
 *   SIGUSR2                      says "points N" on stderr
 *
 * A point is the beginning of a request (its effect has not happened) or the arrival of a reply's head (the effect has
 * happened, and nobody here has acted on it yet), of every client in the process: ARM, disks, S3, STS, identity, queues.
 */
import diagnostics from 'node:diagnostics_channel';
import { isMainThread } from 'node:worker_threads';

const CHANNELS = [
  'http.client.request.start',
  'http.client.response.finish',
  'undici:request:create',
  'undici:request:headers',
];

if (isMainThread) count();

function count(): void {
  const [signal, at] = (process.env['DRILL_SIGNAL_AT'] ?? '').split(':');
  let points = 0;
  for (const channel of CHANNELS) {
    diagnostics.subscribe(channel, () => {
      points += 1;
      if (points === Number(at)) process.kill(process.pid, signal as NodeJS.Signals);
    });
  }
  process.on('SIGUSR2', () => process.stderr.write(`points ${points}\n`));
}
