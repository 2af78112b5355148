/** What the bench asks of every tool that it measures. Each works in its own folder and starts from an empty repository. */

import type { Image } from '../images/recipe';
import type { Measured } from '../kit/shell';

export interface Sample {
  readonly wallS: number;
  readonly cpuS: number;
  readonly rssMib: number;
}

export interface Tool {
  readonly name: string;
  /** Removes what an earlier round left and makes an empty repository. */
  reset(): void;
  backup(image: Image, label: string): Measured;
  /** Restores into a raw file; its path is the answer's `file`. */
  restore?(image: Image, label: string): Measured & { readonly file: string };
  /** Bytes and files of the repository. */
  stored(): { readonly bytes: number; readonly files: number };
}
