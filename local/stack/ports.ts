/** Ports are chosen once for a state directory: what was stored under them (URLs, the token issuer) stays valid. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';

export const portNames = ['blob', 'queue', 'table', 'arm', 'disk', 'identity', 'aws', 'control', 'host'] as const;
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
  host: 7071,
};

/** The ports of this state directory; chosen among the free ones and kept in `file` at the first time. */
export async function loadPorts(file: string): Promise<Ports> {
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Ports;
  const ports = await freePorts();
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

/** All held open together until every one is known, so that none is given twice. */
async function freePorts(): Promise<Ports> {
  const servers = portNames.map(() => createServer());
  try {
    const entries: [PortName, number][] = [];
    for (const [index, name] of portNames.entries()) {
      const server = servers[index];
      if (server) entries.push([name, await listenAnywhere(server)]);
    }
    return Object.fromEntries(entries) as Record<PortName, number>;
  } finally {
    for (const server of servers) server.close();
  }
}

function listenAnywhere(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no port'));
      else resolve(address.port);
    });
  });
}
