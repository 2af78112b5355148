/**
 * An NBD server: fixed newstyle, structured replies, base:allocation. The protocol knows no login, so it listens on loopback or
 * on a socket in the file system, which has permissions; never on a network.
 */

import { unlink } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import type { Logger } from '../../base/logger';
import { AppError, isAppError } from '../../model/errors';
import { type NbdExports, type Session, shakeHands } from './handshake';
import { SocketIo } from './socket-io';
import { serveRequests } from './transmission';

export type NbdAddress = { readonly path: string } | { readonly port: number };

export interface NbdServerOptions {
  readonly exports: NbdExports;
  readonly address: NbdAddress;
  readonly logger: Logger;
  /** For a client to choose an export; 30 s unless a test is in a hurry. */
  readonly handshakeMs?: number;
}

export interface NbdServer {
  /** For `nbdinfo` and its kin. */
  readonly uri: string;
  readonly port: number | undefined;
  /** Ends all connections. */
  close(): Promise<void>;
}

const HANDSHAKE_MS = 30_000;
/** Kernels and copy programs open 16 connections at most. */
const CONNECTIONS_MAX = 64;

export async function startNbdServer(options: NbdServerOptions): Promise<NbdServer> {
  const { address } = options;
  const sockets = new Set<Socket>();
  const served = new Set<Promise<void>>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    const serving = serveClient(options, socket).finally(() => {
      sockets.delete(socket);
      served.delete(serving);
    });
    served.add(serving);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(address, error)));
    if ('path' in address) server.listen({ path: address.path }, resolve);
    else server.listen({ port: address.port, host: '127.0.0.1' }, resolve);
  });
  const at = server.address();
  const port = typeof at === 'object' && at !== null ? at.port : undefined;
  return {
    port,
    uri: 'path' in address ? `nbd+unix:///?socket=${encodeURI(address.path)}` : `nbd://127.0.0.1:${port}`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await Promise.allSettled(served);
      await closed;
      if ('path' in address) await unlink(address.path).catch(() => undefined);
    },
  };
}

async function serveClient(
  { exports, logger, handshakeMs = HANDSHAKE_MS }: NbdServerOptions,
  socket: Socket,
): Promise<void> {
  const gone = new AbortController();
  const { signal } = gone;
  socket.once('close', () => gone.abort(new AppError('request.conflict', 'the NBD client has gone')));
  socket.on('error', () => socket.destroy());
  const patience = setTimeout(() => socket.destroy(), handshakeMs);
  const io = new SocketIo(socket);
  let session: Session | undefined;
  try {
    session = await shakeHands(io, exports, signal);
    clearTimeout(patience);
    if (!session) return;
    await serveRequests(io, session, {
      signal,
      onFailure: (error, request) => {
        if (!signal.aborted) logger.error('a request of an NBD client failed', { ...request, ...reasonOf(error) });
      },
    });
  } catch (error) {
    if (!signal.aborted) logger.warn('an NBD connection was ended', reasonOf(error));
  } finally {
    clearTimeout(patience);
    await session?.device.close().catch((error: unknown) => logger.error('a device did not close', reasonOf(error)));
    socket.end();
    socket.destroySoon();
  }
}

function reasonOf(error: unknown): Readonly<Record<string, string>> {
  return isAppError(error)
    ? { code: error.code, detail: error.message }
    : { code: 'internal', detail: error instanceof Error ? error.name : typeof error };
}

function cannotListen(address: NbdAddress, error: Error & { readonly code?: string }): AppError {
  const where = 'path' in address ? address.path : `127.0.0.1:${address.port}`;
  return new AppError('config.invalid', `cannot listen for NBD on ${where}: ${error.code ?? 'unknown'}; is it in use?`);
}
