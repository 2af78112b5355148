/**
 * Cases a decoder in a normal run. BLOCKFERRY_FUZZ=20 makes twenty times as many; fast-check prints the seed of what fails.
 */
const factor = Number(process.env['BLOCKFERRY_FUZZ'] ?? '1');

export const cases = {
  leaves: 16_000,
  roots: 16_000,
  segments: 10_000,
  numbers: 6_000,
  directories: 10_000,
  frames: 6_000,
  packHeaders: 6_000,
  packs: 1_500,
  sealed: 8_000,
  compressed: 4_000,
  records: 8_000,
  envelopes: 3_000,
  pageLists: 12_000,
  footers: 4_000,
} as const;

/** For a whole property on a machine that has much else to do. */
export const propertyMs = 180_000;

export const runsOf = (name: keyof typeof cases): { readonly numRuns: number } => ({ numRuns: cases[name] * factor });
