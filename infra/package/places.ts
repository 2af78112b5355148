export interface PackagePlaces {
  /** The checkout. */
  readonly root: string;
  /** Its build: compiled CommonJS, whose requires are still lazy where the sources say so. */
  readonly build: string;
}
