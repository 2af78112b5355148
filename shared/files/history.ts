/** A file over time, and what changed between two restore points. */

import { isAppError } from '../model/errors';
import type { RestorePoint } from '../model/restore-point';
import type { FileBrowser, FilePlace, NodeView } from './browser';
import { viewOf } from './browser';
import type { FileSystem } from './file-system';
import { type WalkedNode, walk } from './walk';

export interface FileVersion {
  readonly pointId: string;
  readonly createdAt: string;
  /** Absent: it is not in this point. */
  readonly file?: NodeView;
  /** Why it is not known whether it is. */
  readonly problem?: string;
  /** Size, time and kind as in the next older point. */
  readonly isUnchanged: boolean;
}

export interface FileChange {
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before?: NodeView;
  readonly after?: NodeView;
}

const POINTS_MAX = 2000;
const NODES_MAX = 5_000_000;

/** One entry for each point of the same VM that has the disk, newest first. */
export async function* versionsOf(
  browser: FileBrowser,
  place: FilePlace,
  signal?: AbortSignal,
): AsyncGenerator<FileVersion> {
  const { point } = await browser.library.open(place.pointId, place.lun);
  const points = (await browser.library.points(signal))
    .filter(({ vmKey, disks }) => vmKey === point.vmKey && disks.some(({ lun }) => lun === place.lun))
    .slice(0, POINTS_MAX);
  let held: FoundVersion | undefined;
  for (const candidate of points) {
    signal?.throwIfAborted();
    const version = await versionIn(browser, { ...place, pointId: candidate.id }, candidate, signal);
    if (held) yield { ...held, isUnchanged: sameFile(held.file, version.file) };
    held = version;
  }
  if (held) yield { ...held, isUnchanged: false };
}

type FoundVersion = Omit<FileVersion, 'isUnchanged'>;

async function versionIn(
  browser: FileBrowser,
  place: FilePlace,
  { id, createdAt }: RestorePoint,
  signal?: AbortSignal,
): Promise<FoundVersion> {
  const base = { pointId: id, createdAt };
  try {
    return { ...base, file: await browser.stat(place, signal) };
  } catch (error) {
    if (isAppError(error, 'request.not-found')) return base;
    // Damage of one point, or of its file system, does not hide the others.
    if (!isAppError(error) || error.retryable) throw error;
    return { ...base, problem: error.message };
  }
}

const sameFile = (a: NodeView | undefined, b: NodeView | undefined): boolean =>
  a !== undefined && b !== undefined && keyOf(a) === keyOf(b);

const keyOf = ({ kind, sizeBytes, modifiedAt, mode, uid, gid, linkTarget }: NodeView): string =>
  JSON.stringify([
    kind,
    kind === 'folder' ? 0 : sizeBytes,
    kind === 'folder' ? '' : modifiedAt,
    mode,
    uid,
    gid,
    linkTarget,
  ]);

/**
 * What differs below a path of two points, by kind, size, time, rights and target of a link, in the order of the paths. A file
 * that was rewritten with its time put back is not seen here; the diff of blocks sees it.
 */
export async function* diffFiles(
  browser: FileBrowser,
  before: FilePlace,
  after: FilePlace,
  signal?: AbortSignal,
): AsyncGenerator<FileChange> {
  const sides = [await sideOf(browser, before, signal), await sideOf(browser, after, signal)] as const;
  const [old, fresh] = sides;
  let [a, b] = [await old.next(), await fresh.next()];
  while (a || b) {
    signal?.throwIfAborted();
    const order = !a ? 1 : !b ? -1 : compareNames(a.names, b.names);
    if (order < 0 && a) yield { path: a.view.path, change: 'removed', before: a.view };
    else if (order > 0 && b) yield { path: b.view.path, change: 'added', after: b.view };
    else if (a && b && keyOf(a.view) !== keyOf(b.view)) {
      yield { path: b.view.path, change: 'changed', before: a.view, after: b.view };
    }
    if (order <= 0) a = await old.next();
    if (order >= 0) b = await fresh.next();
  }
}

interface Side {
  next(): Promise<{ readonly names: readonly string[]; readonly view: NodeView } | undefined>;
}

async function sideOf(browser: FileBrowser, place: FilePlace, signal?: AbortSignal): Promise<Side> {
  const { volume, node } = await browser.find(place, { follow: true, signal });
  const walked = walk(volume.open, node, { nodesMax: NODES_MAX, signal });
  return {
    next: async () => {
      const step = await walked.next();
      return step.done ? undefined : { names: step.value.names, view: await viewed(volume.open, step.value, signal) };
    },
  };
}

const viewed = (system: FileSystem, { names, node }: WalkedNode, signal?: AbortSignal): Promise<NodeView> =>
  viewOf(system, `/${names.join('/')}`, node, signal);

/** The order of `walk`: a folder, then what is in it, then its next sibling. */
function compareNames(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const [one, other] = [a[index] ?? '', b[index] ?? ''];
    if (one !== other) return one < other ? -1 : 1;
  }
  return a.length - b.length;
}
