/** How fast and in what portions the simulated clouds answer; changeable while they run. */
export interface Behaviour {
  /** An ARM operation is finished so long after its request. */
  lroMs: number;
  /** Entries in one page of an ARM list. */
  listPageSize: number;
  /** Ranges in one Get Page Ranges answer. */
  pageListMax: number;
  /** A snapshot of a Premium SSD v2 or Ultra disk copies so long in the background. */
  snapshotCopyMs: number;
  tokenLifetimeSeconds: number;
}

/** Page sizes are small, so that every test of a list or a page-range reader meets more than one page. */
export const DEFAULT_BEHAVIOUR: Readonly<Behaviour> = {
  lroMs: 30,
  listPageSize: 50,
  pageListMax: 500,
  snapshotCopyMs: 3_000,
  tokenLifetimeSeconds: 86_400,
};
