/** Writes a managed disk in upload with Put Page. Every step may be repeated, also by another process. */
import { assert } from '../base/assert';
import { boundedMap } from '../base/bounded-map';
import type { DiskWriter } from '../dataproxy/ports';
import { type ByteRange, splitRange } from '../model/byte-range';
import { limits } from '../model/limits';
import type { AccessTarget } from './access-cache';
import type { DataPlane } from './disk-access';
import { BLOB_SERVICE_VERSION } from './page-ranges';
import { repeated } from './snapshot-reader';
import { vhdFooter } from './vhd-footer';

/** Pieces of one write under way at a time. */
const PIECES_AT_A_TIME = 4;

export class UploadWriter implements DiskWriter {
  private readonly target: AccessTarget;
  private readonly diskBytes: number;

  constructor(
    private readonly plane: DataPlane,
    request: { readonly diskId: string; readonly diskBytes: number },
  ) {
    assert(request.diskBytes % limits.pageBytes === 0, 'a disk is made of whole pages');
    this.target = { type: 'disks', id: request.diskId };
    this.diskBytes = request.diskBytes;
  }

  async write(offset: number, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const range = { start: offset, end: offset + bytes.length };
    this.assertPages(range);
    await boundedMap(splitRange(range, limits.putPageBytesMax), PIECES_AT_A_TIME, (piece) =>
      this.putPage(piece, bytes.subarray(piece.start - offset, piece.end - offset), signal),
    );
  }

  async zero(range: ByteRange, signal: AbortSignal): Promise<void> {
    this.assertPages(range);
    if (range.end > range.start) await this.putPage(range, undefined, signal);
  }

  /** Put Page is durable when answered; what is left is the footer, without which Azure takes the disk for none. */
  async flush(signal: AbortSignal): Promise<void> {
    const footer = vhdFooter(this.diskBytes, this.target.id.toLowerCase());
    await this.putPage({ start: this.diskBytes, end: this.diskBytes + footer.length }, footer, signal);
  }

  /** Without bytes the pages are cleared (Azure REST: Put Page, x-ms-page-write). */
  private async putPage(range: ByteRange, bytes: Buffer | undefined, signal: AbortSignal): Promise<void> {
    const what = `${bytes ? 'writing' : 'clearing'} bytes ${range.start}..${range.end} of a disk`;
    await repeated(this.plane, this.target, signal, () =>
      this.plane.accesses.using([this.target], signal, ([url = '']) =>
        this.plane.http.stream(
          {
            what,
            method: 'PUT',
            url: `${url}&comp=page`,
            headers: {
              'x-ms-version': BLOB_SERVICE_VERSION,
              'x-ms-page-write': bytes ? 'update' : 'clear',
              'x-ms-range': `bytes=${range.start}-${range.end - 1}`,
              'content-length': String(bytes?.length ?? 0),
            },
            ...(bytes ? { body: bytes } : {}),
            signal,
            expect: 201,
            rejectedAs: 'cloud.rejected',
          },
          async (body) => {
            for await (const _ignored of body); // an answer is complete only when its body is
          },
        ),
      ),
    );
  }

  private assertPages(range: ByteRange): void {
    const whole = range.start % limits.pageBytes === 0 && range.end % limits.pageBytes === 0;
    assert(
      whole && range.start >= 0 && range.end <= this.diskBytes,
      `${range.start}..${range.end} are not pages of the disk`,
    );
  }
}
