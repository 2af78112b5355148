/** Reparse points that are links: symbolic links, junctions, and links of Linux under Windows. */
const SYMLINK = 0xa000000c;
const JUNCTION = 0xa0000003;
const LINUX_LINK = 0xa000001d;

export const LINK_TAGS: ReadonlySet<number> = new Set([SYMLINK, JUNCTION, LINUX_LINK]);

/** The target as Windows shows it; undefined for what is no link, or none that can be read. */
export function linkTarget(data: Buffer): string | undefined {
  if (data.length < 16) return undefined;
  const tag = data.readUInt32LE(0);
  if (tag === LINUX_LINK) return data.toString('utf8', 12);
  if (tag !== SYMLINK && tag !== JUNCTION) return undefined;
  const names = tag === SYMLINK ? 20 : 16;
  const [substitute, shown] = [8, 12].map((at) => {
    const start = names + data.readUInt16LE(at);
    const end = start + data.readUInt16LE(at + 2);
    return end <= data.length ? data.toString('utf16le', start, end) : '';
  });
  return shown || substitute?.replace(/^\\\?\?\\/, '') || undefined;
}
