/** What tests may see and do behind the protocol's back. */
import { type FileHandle, open } from 'node:fs/promises';
import { ControlError, type ControlRequest, type RegisterControl } from '../../kit/service';
import type { S3State } from './call';
import type { ObjectVersion } from './versions';

const VERSIONS_MAX = 100_000;

export function registerS3Control(register: RegisterControl, state: S3State): void {
  register('GET', '/s3/objects', ({ query }) => listVersions(state, query));
  register('POST', '/s3/flip', (request) => flipBit(state, request));
  register('GET', '/s3/uploads', ({ query }) => listUploads(state, query));
}

/** Every version under a prefix: [{ bucket, key, versionId, isCurrent, isMarker, sizeBytes, etag, modifiedAt, lock }]. */
function listVersions(state: S3State, query: URLSearchParams): unknown {
  const bucket = requireText(query.get('bucket'), 'bucket');
  if (state.buckets.get(bucket) === undefined) throw new ControlError(404, `there is no bucket ${bucket}`);
  const prefix = query.get('prefix') ?? '';
  const all = state.versions.listAll(bucket, { key: prefix, inclusive: true }, VERSIONS_MAX);
  return all
    .filter((version) => version.key.startsWith(prefix))
    .map(({ key, versionId, isCurrent, isMarker, sizeBytes, etag, modifiedAt, lock }) => ({
      bucket,
      key,
      versionId,
      isCurrent,
      isMarker,
      sizeBytes,
      etag,
      modifiedAt,
      lock,
    }));
}

function listUploads(state: S3State, query: URLSearchParams): unknown {
  return state.uploads.list(query.get('bucket') ?? undefined).map((upload) => ({
    bucket: upload.bucket,
    key: upload.key,
    uploadId: upload.uploadId,
    initiatedAt: upload.initiatedAt,
    parts: state.uploads.parts(upload.uploadId).map(({ number, sizeBytes }) => ({ number, sizeBytes })),
  }));
}

/** { bucket, key, versionId?, offset }: flips the lowest bit of the stored byte; checksums and ETag stay as they were. */
async function flipBit(state: S3State, request: ControlRequest): Promise<unknown> {
  const body: Readonly<Record<string, unknown>> =
    typeof request.body === 'object' && request.body !== null ? { ...request.body } : {};
  const bucket = requireText(body['bucket'], 'bucket');
  const key = requireText(body['key'], 'key');
  const versionId = body['versionId'] === undefined ? undefined : requireText(body['versionId'], 'versionId');
  const version =
    versionId === undefined ? state.versions.current(bucket, key) : state.versions.find(bucket, key, versionId);
  if (version === undefined || version.isMarker) throw new ControlError(404, `there is no object ${bucket}/${key}`);
  const offset = Number(body['offset'] ?? 0);
  const place = placeOf(version, offset);
  if (place === undefined) throw new ControlError(400, `offset must be in [0, ${version.sizeBytes})`);
  const handle = await open(state.files.pathOf(place.file), 'r+');
  try {
    await flipAt(handle, place.offset);
  } finally {
    await handle.close();
  }
  return { bucket, key, versionId: version.versionId, offset };
}

function placeOf(
  version: ObjectVersion,
  offset: number,
): { readonly file: string; readonly offset: number } | undefined {
  if (!Number.isInteger(offset) || offset < 0) return undefined;
  let left = offset;
  for (const { file, sizeBytes } of version.segments) {
    if (left < sizeBytes) return { file, offset: left };
    left -= sizeBytes;
  }
  return undefined;
}

async function flipAt(handle: FileHandle, offset: number): Promise<void> {
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, offset);
  byte.writeUInt8(byte.readUInt8(0) ^ 1);
  await handle.write(byte, 0, 1, offset);
}

function requireText(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new ControlError(400, `${name} is missing`);
}
