import { setTimeout as sleep } from 'node:timers/promises';
import type { Listener } from './kit/listen';
import type { SelfStateFile } from './state';

export type PortName = 'arm' | 'disk' | 'identity' | 'keyvault' | 'aws' | 'control';
export type Ports = Readonly<Partial<Record<PortName, number>>>;

const ATTEMPTS_MAX = 20;
const RETRY_MS = 250;

/**
 * Listens on the port asked for; 0 (or none) takes the port of the last start, as SAS URLs and token issuers name it.
 * A predecessor that is still ending may hold the port for a moment.
 */
export async function listenAgain(
  state: SelfStateFile,
  name: PortName,
  asked: number | undefined,
  open: (port: number) => Promise<Listener>,
): Promise<Listener> {
  const port = asked !== undefined && asked > 0 ? asked : (state.get().ports[name] ?? 0);
  for (let attempt = 1; ; attempt++) {
    try {
      const listener = await open(port);
      state.update({ ports: { ...state.get().ports, [name]: listener.port } });
      return listener;
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!isTaken) throw error;
      if (attempt >= ATTEMPTS_MAX) {
        throw new Error(`port ${port} of the simulator's ${name} service is taken by another process`, {
          cause: error,
        });
      }
      await sleep(RETRY_MS);
    }
  }
}
