import { z } from 'zod';
import { usageError } from '../cli-error';
import { defineCommand } from '../command';
import { readSecretFile } from '../secret-file';

const port = z.coerce.number().int().min(0).max(65_535);

export const serveCommand = defineCommand({
  name: 'serve',
  summary: 'restore points as HTTP ranges and NBD devices, straight from the store',
  description:
    'Needs no function app. NBD has no login, so it is offered on this machine only: on loopback, or on a socket file. HTTP is \
offered on loopback, and on other addresses with a token. Devices are read-only; with --overlay one disk can be written, and what is \
written stays in that file. Runs until Ctrl-C.',
  examples: [
    {
      run: 'blockferry serve --bucket backups --region eu-central-1 --tenant contoso --key-file key --nbd-socket /run/bf.sock',
      does: 'every disk as an NBD export: nbdinfo --list nbd+unix:///?socket=/run/bf.sock',
    },
    {
      run: 'blockferry serve --data ./copy --key-file key --point p-1 --disk os --nbd-port 10809 --overlay boot.cow',
      does: 'one disk, writable: qemu-system-x86_64 -drive file=nbd://127.0.0.1:10809,format=raw',
    },
    {
      run: 'blockferry serve --data ./copy --key-file key --http-port 8080',
      does: 'ranges: nbdkit -r curl http://127.0.0.1:8080/api/restore-points/p-1/disks/os/raw',
    },
  ],
  reach: ['repository'],
  options: {
    httpPort: {
      flags: '--http-port <port>',
      says: 'serve HTTP on this port; 0 takes a free one',
      value: port.optional(),
    },
    httpHost: {
      flags: '--http-host <address>',
      says: 'address for HTTP; any but loopback needs --token-file',
      value: z.string().default('127.0.0.1'),
    },
    tokenFile: {
      flags: '--token-file <file>',
      says: 'file with the token that HTTP clients must send (bearer, or password of any user)',
      value: z.string().optional(),
    },
    nbdPort: { flags: '--nbd-port <port>', says: 'serve NBD on loopback; 0 takes a free port', value: port.optional() },
    nbdSocket: { flags: '--nbd-socket <path>', says: 'serve NBD on this socket file', value: z.string().optional() },
    point: { flags: '--point <id>', says: 'offer only this restore point over NBD', value: z.string().optional() },
    disk: { flags: '--disk <lun>', says: 'which disk of it: os or a LUN', value: z.string().default('os') },
    overlay: {
      flags: '--overlay <file>',
      says: 'take writes into this file, new or of an earlier run',
      value: z.string().optional(),
    },
    cacheMib: {
      flags: '--cache-mib <n>',
      says: 'memory for data that was read',
      value: z.coerce.number().int().min(16).max(65_536).default(128),
    },
  },
  lines: {
    serving: z.object({ httpUrl: z.string().optional(), nbdUri: z.string().optional() }),
    problem: z.object({ message: z.string() }),
  },
  run: async ({ options, out, repository, signal }) => {
    const { httpPort, nbdPort, nbdSocket, point, overlay } = options;
    if (httpPort === undefined && nbdPort === undefined && nbdSocket === undefined) {
      throw usageError('nothing to serve', 'give --http-port, --nbd-port or --nbd-socket');
    }
    if (nbdPort !== undefined && nbdSocket !== undefined) throw usageError('give --nbd-port or --nbd-socket, not both');
    const address =
      nbdSocket !== undefined ? { path: nbdSocket } : nbdPort !== undefined ? { port: nbdPort } : undefined;
    const { startServe } = require('../../shared/app/serve/serve') as typeof import('../../shared/app/serve/serve');
    const { parseLun } =
      require('../../shared/device/point-library') as typeof import('../../shared/device/point-library');
    const token = options.tokenFile === undefined ? undefined : await readSecretFile(options.tokenFile);
    const tell = (message: string, fields: object = {}): void =>
      out.line('problem', { message: `${message} ${JSON.stringify(fields)}` }, (row) => row.message);
    const serving = await startServe({
      repository: await repository(),
      logger: { info: () => undefined, warn: tell, error: tell },
      cacheBytes: options.cacheMib * 2 ** 20,
      ...(httpPort === undefined ? {} : { http: { host: options.httpHost, port: httpPort, token } }),
      ...(address === undefined
        ? {}
        : {
            nbd: {
              address,
              ...(point === undefined ? {} : { only: { pointId: point, lun: parseLun(options.disk) } }),
              ...(overlay === undefined ? {} : { overlayFile: overlay }),
            },
          }),
    });
    try {
      const { httpUrl, nbdUri } = serving;
      out.line('serving', { httpUrl, nbdUri }, () => [httpUrl, nbdUri].filter((text) => text !== undefined).join('  '));
      await aborted(signal);
    } finally {
      await serving.close();
    }
    return undefined;
  },
});

/** Resolves when the caller has had enough: that is how this command ends well. */
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
