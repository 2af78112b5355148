/**
 * `blockferry serve`: the restore points of a repository as HTTP ranges and as NBD devices, with nothing in between but this
 * process. Read-only, or copy-on-write over a local file.
 */

import type { Logger } from '../../base/logger';
import { createComputePool } from '../../blockstore/compute-pool';
import type { Repository } from '../../blockstore/repository';
import { type NbdAddress, type NbdServer, startNbdServer } from '../../device/nbd/server';
import { type ClosableExports, createNbdExports, type NbdExportOptions } from '../../device/nbd-exports';
import { createPointLibrary } from '../../device/point-library';
import { FileBrowser } from '../../files/browser';
import { type HttpServe, startHttpServe } from './http-server';
import { answerServed } from './routes';

export interface ServeOptions {
  readonly repository: Repository;
  readonly logger: Logger;
  readonly http?: { readonly host: string; readonly port: number; readonly token?: string | undefined };
  readonly nbd?: { readonly address: NbdAddress } & Pick<NbdExportOptions, 'only' | 'overlayFile'>;
  readonly cacheBytes?: number;
}

export interface Serving {
  readonly httpUrl: string | undefined;
  readonly nbdUri: string | undefined;
  /** Flushes what was written to an overlay. */
  close(): Promise<void>;
}

export async function startServe(options: ServeOptions): Promise<Serving> {
  const { repository, logger, http, nbd } = options;
  const pool = createComputePool();
  const { cacheBytes } = options;
  const library = createPointLibrary({ repository, pool, ...(cacheBytes === undefined ? {} : { cacheBytes }) });
  let httpServe: HttpServe | undefined;
  let nbdServer: NbdServer | undefined;
  let exports: ClosableExports | undefined;
  const close = async (): Promise<void> => {
    await httpServe?.close();
    await nbdServer?.close();
    try {
      await exports?.close();
    } finally {
      library.close();
      await pool.close();
    }
  };
  try {
    if (nbd) {
      exports = createNbdExports({ library, ...nbd });
      // What is named must be there before anyone connects.
      if (nbd.only) await exports.open('', new AbortController().signal);
      nbdServer = await startNbdServer({ exports, address: nbd.address, logger });
    }
    if (http) {
      const browser = new FileBrowser(library);
      httpServe = await startHttpServe({
        ...http,
        logger,
        answer: (request) => answerServed(request, browser, logger),
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { httpUrl: httpServe?.url, nbdUri: nbdServer?.uri, close };
}
