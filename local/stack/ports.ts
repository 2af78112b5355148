/** Ports are chosen once for a state directory: what was stored under them (URLs, the token issuer) stays valid. */
import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';

export const portNames = [
  'blob',
  'queue',
  'table',
  'arm',
  'disk',
  'identity',
  'keyvault',
  'aws',
  'control',
  'host',
] as const;
export type PortName = (typeof portNames)[number];
export type Ports = Readonly<Record<PortName, number>>;

/** Of `npm run cloud`: fixed, because local.settings.sample.json names them. Azurite's are its own defaults. */
export const samplePorts: Ports = {
  blob: 10000,
  queue: 10001,
  table: 10002,
  arm: 10443,
  disk: 10480,
  identity: 10481,
  aws: 10482,
  control: 10483,
  keyvault: 10484,
  host: 7071,
};

/** The ports of this state directory; chosen among the free ones and kept in `file` at the first time. */
export async function loadPorts(file: string): Promise<Ports> {
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Partial<Ports>) : {};
  if (portNames.every((name) => known[name] !== undefined)) return known as Ports;
  // An older version may have left a file without the ports of newer parts.
  const ports = { ...(await freePorts()), ...known };
  writeFileSync(file, JSON.stringify(ports, null, 2));
  return ports;
}

/** Throws when one of these is in use, naming it and the way out. */
export async function requireFree(ports: Ports, names: readonly PortName[], wayOut: string): Promise<void> {
  for (const name of names) {
    if (await isListening(ports[name])) throw new Error(`port ${ports[name]} (${name}) is in use. ${wayOut}`);
  }
}

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/**
 * Below the range from which systems give ports to outgoing connections and to whoever asks for any: one of those could be
 * taken by somebody else between this choice and the start of the service.
 */
const RANGE = { start: 20_000, end: 32_000 };
const TRIES_MAX = 200;

/** All held open together until every one is known, so that none is given twice. */
async function freePorts(): Promise<Ports> {
  const servers: Server[] = [];
  try {
    const entries: [PortName, number][] = [];
    for (const name of portNames) {
      const server = createServer();
      servers.push(server);
      entries.push([name, await listenSomewhere(server)]);
    }
    return Object.fromEntries(entries) as Record<PortName, number>;
  } finally {
    for (const server of servers) server.close();
  }
}

async function listenSomewhere(server: Server): Promise<number> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const port = randomInt(RANGE.start, RANGE.end);
    if (await tryListen(server, port)) return port;
  }
  throw new Error(`no free port found between ${RANGE.start} and ${RANGE.end}`);
}

function tryListen(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(error);
    };
    server.once('error', failed);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', failed);
      resolve(true);
    });
  });
}
