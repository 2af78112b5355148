/**
 * Tells a conditional writer whether another write or delete of its key happened while its body was on the way.
 * S3 answers such a writer 409 ConditionalRequestConflict, and 412 when the precondition was false from the start.
 */
export interface WriteConflicts {
  begin(bucket: string, key: string): ConflictWatch;
  /** To be called with every committed change of a key. */
  changed(bucket: string, key: string): void;
}

export interface ConflictWatch {
  readonly hasConflict: () => boolean;
  readonly end: () => void;
}

interface Watched {
  watchers: number;
  changes: number;
}

export function createWriteConflicts(): WriteConflicts {
  const watched = new Map<string, Watched>();
  const nameOf = (bucket: string, key: string): string => `${bucket}/${key}`;
  return {
    begin(bucket, key) {
      const name = nameOf(bucket, key);
      const entry = watched.get(name) ?? { watchers: 0, changes: 0 };
      watched.set(name, entry);
      entry.watchers += 1;
      const changesAtStart = entry.changes;
      return {
        hasConflict: () => entry.changes !== changesAtStart,
        end() {
          entry.watchers -= 1;
          if (entry.watchers === 0) watched.delete(name);
        },
      };
    },
    changed(bucket, key) {
      const entry = watched.get(nameOf(bucket, key));
      if (entry !== undefined) entry.changes += 1;
    },
  };
}
