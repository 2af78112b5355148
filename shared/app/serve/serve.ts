/**
 * `blockferry serve`: the restore points of a repository as HTTP ranges and as NBD devices, with nothing in between but this
 * process. Read-only, or copy-on-write over a local file.
 */

import { plainMessage } from '../../api/problem';
import type { Logger } from '../../base/logger';
import { createComputePool } from '../../blockstore/compute-pool';
import type { Repository } from '../../blockstore/repository';
import { type NbdAddress, type NbdServer, startNbdServer } from '../../device/nbd/server';
import { type ClosableExports, createNbdExports, type NbdExportOptions } from '../../device/nbd-exports';
import { createPointLibrary, type PointLibrary, parseLun } from '../../device/point-library';
import { rawAnswer } from '../../device/raw-disk';
import { isAppError } from '../../model/errors';
import { type HttpServe, problem, type ServeAnswer, type ServeRequest, startHttpServe } from './http-server';

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
      httpServe = await startHttpServe({ ...http, logger, answer: (request) => route(request, library, logger) });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { httpUrl: httpServe?.url, nbdUri: nbdServer?.uri, close };
}

type Parameters = Readonly<Record<string, string>>;

interface ServedRoute {
  readonly path: RegExp;
  readonly answer: (request: ServeRequest, parameters: Parameters, library: PointLibrary) => Promise<ServeAnswer>;
}

/** The same paths as the API's. */
const served: readonly ServedRoute[] = [
  { path: /^\/api\/restore-points\/(?<id>[^/]+)\/disks\/(?<lun>[^/]+)\/raw$/, answer: rawDisk },
];

async function route(request: ServeRequest, library: PointLibrary, logger: Logger): Promise<ServeAnswer> {
  try {
    for (const { path, answer } of served) {
      const match = path.exec(request.path);
      if (match) return await answer(request, match.groups ?? {}, library);
    }
    return problem(404, 'request.not-found', 'nothing is served here');
  } catch (error) {
    if (isAppError(error, 'request.not-found')) return problem(404, error.code, plainMessage(error));
    if (isAppError(error, 'request.invalid')) return problem(400, error.code, plainMessage(error));
    const known = isAppError(error);
    const detail = error instanceof Error ? error.message : typeof error;
    logger.error('a request failed', { path: request.path, code: known ? error.code : 'internal', detail });
    // Whoever serves is whoever asks, or trusts him: what is damaged is said here too.
    return problem(known ? 502 : 500, known ? error.code : 'internal', known ? plainMessage(error) : 'see the log');
  }
}

async function rawDisk(
  request: ServeRequest,
  { id = '', lun = '' }: Parameters,
  library: PointLibrary,
): Promise<ServeAnswer> {
  const disk = await library.open(id, parseLun(lun));
  const { signal } = request;
  return rawAnswer(request, { source: disk, contentTag: disk.contentTag, signal });
}
