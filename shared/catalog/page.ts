/** One page of a list. A page may be shorter than asked for while `nextCursor` is there: filters cut after reading. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Opaque; absent on the last page. */
  readonly nextCursor?: string;
}
