/** The volumes of a disk as they are shown: without the sources that they are read through. */
import type { DiskContents, Volume } from './volumes';

export interface VolumesView {
  readonly scheme: DiskContents['scheme'];
  readonly warnings: readonly string[];
  readonly volumes: readonly Volume[];
}

export const volumeViews = ({ scheme, warnings, volumes }: DiskContents): VolumesView => ({
  scheme,
  warnings,
  volumes: volumes.map(({ source: _source, open: _open, ...shown }) => shown),
});
