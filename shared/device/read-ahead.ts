/**
 * Tells readers that go along the disk from those that jump. A few streams are watched at a time, because a client copies
 * with several requests under way and not in order; what is fetched ahead grows with the length of the walk.
 */
import type { ByteRange } from '../model/byte-range';
import { MIB } from '../model/limits';

const STREAMS_MAX = 8;
/** A request that begins this near behind or before the end of a stream belongs to it: requests overtake each other. */
const SLACK_BYTES = 4 * MIB;
/** Nothing is fetched ahead before this much was read in a row: a file of some blocks is no walk. */
const WALK_BYTES_MIN = 256 * 1024;
const AHEAD_BYTES_MAX = 24 * MIB;

interface Stream {
  start: number;
  end: number;
  /** Bytes read along it. */
  walked: number;
  /** Up to here it was asked to be fetched ahead. */
  fetched: number;
}

export class ReadAhead {
  /** The one used last at the end. */
  private readonly streams: Stream[] = [];

  /** Notes a read of [start, end) and says what to fetch ahead of it, if anything. */
  note(start: number, end: number, sizeBytes: number): ByteRange | undefined {
    const at = this.streams.findIndex(
      (stream) =>
        start >= Math.max(stream.start, stream.end - SLACK_BYTES) &&
        start <= stream.end + SLACK_BYTES &&
        end > stream.end - SLACK_BYTES,
    );
    const [stream = { start, end: start, walked: 0, fetched: end }] = at < 0 ? [] : this.streams.splice(at, 1);
    this.streams.push(stream);
    if (this.streams.length > STREAMS_MAX) this.streams.shift();
    stream.end = Math.max(stream.end, end);
    stream.walked += end - start;
    if (stream.walked < WALK_BYTES_MIN) return undefined;
    const ahead = Math.min(AHEAD_BYTES_MAX, 4 * stream.walked);
    const from = Math.max(stream.end, stream.fetched);
    const until = Math.min(sizeBytes, stream.end + ahead);
    // Half of it at a time: small steps would be small requests.
    if (until - from < Math.min(ahead / 2, sizeBytes - stream.end) || until <= from) return undefined;
    stream.fetched = until;
    return { start: from, end: until };
  }
}
