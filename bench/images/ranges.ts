/** What a cloud would tell of an image: which ranges hold data, and which differ from an older one. Half-open, in bytes. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { run } from '../kit/shell';

export interface Range {
  readonly start: number;
  readonly end: number;
}

const PAGE = 4096;
const STEP = 8 * 1024 * 1024;

/**
 * Ranges of the file that are not holes, from the file system (Node has no SEEK_DATA, Perl's sysseek hands any whence on).
 * Written zeros count as data, as they do in Azure.
 */
export function dataRanges(image: string): Range[] {
  const { size } = statSync(image);
  const script =
    'open(F,"<",$ARGV[0]) or die $!; my $at=0; my $size=-s F;' +
    'while ($at<$size) { my $d=sysseek(F,$at,3); last if !defined $d; my $h=sysseek(F,$d,4); print $d+0," ",$h+0,"\\n"; $at=$h+0; }';
  const text = run('perl', ['-e', script, image]).trim();
  const ranges = text === '' ? [] : text.split('\n').map((line) => line.split(' ').map(Number));
  return ranges.map(([start = 0, end = 0]) => ({
    start: start - (start % PAGE),
    end: Math.min(size, Math.ceil(end / PAGE) * PAGE),
  }));
}

/** Pages of 4 KiB that differ, neighbours joined. Both images have the same size. */
export function changedRanges(before: string, after: string): Range[] {
  const { size } = statSync(after);
  const [old, now] = [openSync(before, 'r'), openSync(after, 'r')];
  const [a, b] = [Buffer.alloc(STEP), Buffer.alloc(STEP)];
  const ranges: { start: number; end: number }[] = [];
  for (let start = 0; start < size; start += STEP) {
    const length = Math.min(STEP, size - start);
    a.fill(0);
    readSync(old, a, 0, length, start);
    readSync(now, b, 0, length, start);
    if (a.equals(b)) continue;
    for (let at = 0; at < length; at += PAGE) {
      const end = Math.min(length, at + PAGE);
      if (a.compare(b, at, end, at, end) === 0) continue;
      const last = ranges.at(-1);
      if (last?.end === start + at) last.end = start + end;
      else ranges.push({ start: start + at, end: start + end });
    }
  }
  closeSync(old);
  closeSync(now);
  return ranges;
}

export const lengthOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);
