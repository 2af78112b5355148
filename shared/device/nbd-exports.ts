/** Disks of restore points under the names by which NBD clients ask for them: `<point>/<lun>`. */
import { AppError } from '../model/errors';
import type { Lun } from '../model/machine';
import type { NbdDevice, NbdExports } from './nbd/handshake';
import { type Overlay, openOverlay } from './overlay';
import { type PointLibrary, parseLun } from './point-library';

export interface NbdExportOptions {
  readonly library: PointLibrary;
  /** Offered under the empty name as well; with it nothing else is offered. */
  readonly only?: { readonly pointId: string; readonly lun: Lun };
  /** File for what clients write; needs `only`. Without it devices are read-only. */
  readonly overlayFile?: string;
}

export interface ClosableExports extends NbdExports {
  /** Flushes and closes the overlay. */
  close(): Promise<void>;
}

export function createNbdExports({ library, only, overlayFile }: NbdExportOptions): ClosableExports {
  if (overlayFile !== undefined && !only) {
    throw new AppError('request.invalid', 'an overlay lies over one disk: name the restore point and the disk as well');
  }
  let overlay: Promise<Overlay> | undefined;
  const onlyName = only && `${only.pointId}/${only.lun}`;
  const open = async (name: string): Promise<NbdDevice> => {
    const { pointId, lun } = only && (name === '' || name === onlyName) ? only : split(name, only !== undefined);
    const disk = await library.open(pointId, lun);
    if (overlayFile !== undefined) {
      const { contentTag, sizeBytes } = disk;
      overlay ??= openOverlay(disk, overlayFile, { point: pointId, lun: String(lun), contentTag, sizeBytes });
      // Not remembered when it failed: the file may be put right.
      overlay.catch(() => (overlay = undefined));
    }
    const source = overlay ? await overlay : disk;
    const description = `disk ${lun} of ${disk.point.machine.name} at ${disk.point.createdAt}`;
    return { source, description, close: () => Promise.resolve() };
  };
  return {
    open,
    list: async () => {
      if (onlyName !== undefined) return [{ name: onlyName, description: 'the disk that is served' }];
      return (await library.points()).flatMap((point) =>
        point.disks.map(({ lun }) => ({
          name: `${point.id}/${lun}`,
          description: `disk ${lun} of ${point.machine.name} at ${point.createdAt}`,
        })),
      );
    },
    close: async () => {
      await (await overlay)?.close();
    },
  };
}

function split(name: string, isOther: boolean): { readonly pointId: string; readonly lun: Lun } {
  const [, pointId, lun] = /^([^/]+)\/([^/]+)$/.exec(name) ?? [];
  if (pointId === undefined || lun === undefined || isOther) {
    throw new AppError(
      'request.not-found',
      `there is no export ${JSON.stringify(name.slice(0, 200))}; names are POINT/LUN`,
    );
  }
  return { pointId, lun: parseLun(lun) };
}
