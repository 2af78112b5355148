/** What `serve` answers to: restore points, raw disks, and the files on them. The paths are those of the API. */
import { plainMessage } from '../../api/problem';
import type { Logger } from '../../base/logger';
import { diffBlocks } from '../../device/disk-diff';
import { parseLun } from '../../device/point-library';
import { rawAnswer } from '../../device/raw-disk';
import type { FileBrowser, FilePlace } from '../../files/browser';
import { diffFiles, versionsOf } from '../../files/history';
import { volumeViews } from '../../files/volume-views';
import { AppError, isAppError } from '../../model/errors';
import { problem, type ServeAnswer, type ServeRequest } from './http-server';

type Parameters = Readonly<Record<string, string>>;
type Answer = (request: ServeRequest, parameters: Parameters, browser: FileBrowser) => Promise<ServeAnswer>;

const disk = '/api/restore-points/(?<id>[^/]+)/disks/(?<lun>[^/]+)';
const served: readonly (readonly [path: RegExp, answer: Answer])[] = [
  [/^\/api\/restore-points$/, listPoints],
  [new RegExp(`^${disk}/raw$`), rawDisk],
  [new RegExp(`^${disk}/volumes$`), listVolumes],
  [new RegExp(`^${disk}/files$`), listFiles],
  [new RegExp(`^${disk}/files/content$`), fileContent],
  [new RegExp(`^${disk}/files/versions$`), fileVersions],
  [new RegExp(`^${disk}/changes$`), changes],
];

/** Lists that are made up as they are read end here and say so. */
const ITEMS_MAX = 10_000;

/** Never rejects. */
export async function answerServed(request: ServeRequest, browser: FileBrowser, logger: Logger): Promise<ServeAnswer> {
  try {
    for (const [path, answer] of served) {
      const match = path.exec(request.path);
      if (match) return await answer(request, decoded(match.groups ?? {}), browser);
    }
    return problem(404, 'request.not-found', 'nothing is served here');
  } catch (error) {
    if (!isAppError(error)) {
      logger.error('a request failed', {
        path: request.path,
        detail: error instanceof Error ? error.name : typeof error,
      });
      return problem(500, 'internal', 'something failed here that should not have');
    }
    const status = statuses[error.code];
    if (status === undefined)
      logger.error('a request failed', { path: request.path, code: error.code, detail: error.message });
    // Whoever serves is whoever asks, or trusts him: what is damaged is said here too.
    return problem(status ?? 502, error.code, plainMessage(error));
  }
}

const statuses: Readonly<Partial<Record<AppError['code'], number>>> = {
  'request.invalid': 400,
  'request.not-found': 404,
  'disk.unsupported': 422,
  'disk.unreadable': 422,
};

async function listPoints(request: ServeRequest, _: Parameters, { library }: FileBrowser): Promise<ServeAnswer> {
  const points = await library.points(request.signal);
  const items = points.map(({ id, createdAt, machine, disks }) => ({
    id,
    createdAt,
    vmId: machine.id,
    vmName: machine.name,
    disks: disks.map(({ lun, sizeBytes }) => ({ lun, sizeBytes })),
  }));
  return json({ items });
}

async function rawDisk(
  request: ServeRequest,
  { id = '', lun = '' }: Parameters,
  { library }: FileBrowser,
): Promise<ServeAnswer> {
  const source = await library.open(id, parseLun(lun));
  return rawAnswer(request, { source, contentTag: source.contentTag, signal: request.signal });
}

async function listVolumes(
  _: ServeRequest,
  { id = '', lun = '' }: Parameters,
  browser: FileBrowser,
): Promise<ServeAnswer> {
  return json(volumeViews(await browser.volumes(id, parseLun(lun))));
}

async function listFiles(request: ServeRequest, parameters: Parameters, browser: FileBrowser): Promise<ServeAnswer> {
  const { query, signal } = request;
  const limit = query.get('limit');
  if (limit !== null && !/^[1-9]\d{0,3}$/.test(limit))
    throw new AppError('request.invalid', 'limit is a number from 1 to 1000');
  const page = { limit: limit === null ? undefined : Number(limit), after: query.get('after') ?? undefined };
  return json(await browser.list(placeOf(request, parameters), page, signal));
}

async function fileContent(request: ServeRequest, parameters: Parameters, browser: FileBrowser): Promise<ServeAnswer> {
  const { query, signal } = request;
  const place = placeOf(request, parameters);
  const format = query.get('format');
  if (format === 'zip' || format === 'tar') {
    const { name, content } = await browser.archive(place, format, signal);
    const type = format === 'zip' ? 'application/zip' : 'application/x-tar';
    return { status: 200, headers: { 'content-type': type, ...attachment(name) }, content };
  }
  if (format !== null) throw new AppError('request.invalid', 'format is zip or tar');
  const { view, source, contentTag } = await browser.file(place, signal);
  const answer = await rawAnswer(request, { source, contentTag, signal });
  return { ...answer, headers: { ...answer.headers, ...attachment(view.name) } };
}

async function fileVersions(request: ServeRequest, parameters: Parameters, browser: FileBrowser): Promise<ServeAnswer> {
  return json(await firstOf(versionsOf(browser, placeOf(request, parameters), request.signal)));
}

async function changes(request: ServeRequest, parameters: Parameters, browser: FileBrowser): Promise<ServeAnswer> {
  const { query, signal } = request;
  const since = query.get('since');
  if (since === null) throw new AppError('request.invalid', 'since names the earlier restore point');
  const place = placeOf(request, parameters);
  const kind = query.get('kind') ?? 'files';
  if (kind === 'blocks') {
    const [before, after] = [
      await browser.library.open(since, place.lun),
      await browser.library.open(place.pointId, place.lun),
    ];
    return json(await firstOf(diffBlocks(before, after, signal)));
  }
  if (kind !== 'files') throw new AppError('request.invalid', 'kind is files or blocks');
  return json(await firstOf(diffFiles(browser, { ...place, pointId: since }, place, signal)));
}

async function firstOf<Item>(items: AsyncIterable<Item>): Promise<{ readonly items: Item[]; readonly isCut: boolean }> {
  const first: Item[] = [];
  for await (const item of items) {
    if (first.length >= ITEMS_MAX) return { items: first, isCut: true };
    first.push(item);
  }
  return { items: first, isCut: false };
}

function placeOf({ query }: ServeRequest, { id = '', lun = '' }: Parameters): FilePlace {
  return { pointId: id, lun: parseLun(lun), volume: query.get('volume') ?? undefined, path: query.get('path') ?? '/' };
}

/** RFC 6266: the name in ASCII for old clients, in UTF-8 for all others. */
function attachment(name: string): Readonly<Record<string, string>> {
  const ascii = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  return { 'content-disposition': `attachment; filename="${ascii}"; filename*=UTF-8''${rfc5987(name)}` };
}

const rfc5987 = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const json = (body: unknown): ServeAnswer => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

function decoded(groups: Parameters): Parameters {
  return Object.fromEntries(
    Object.entries(groups).map(([name, text]) => {
      try {
        return [name, decodeURIComponent(text)];
      } catch {
        throw new AppError('request.invalid', 'the address is not encoded as it should be');
      }
    }),
  );
}
