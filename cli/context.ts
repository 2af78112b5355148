/** What a command is given. Everything that costs or may fail is made when it is asked for. */
import type { Logger } from '../shared/base/logger';
import type { ApiClient } from './api-client';
import type { LineShapes } from './command';
import type { Output } from './output';
import type { DirectRepository } from './repository';

export interface CommandContext<Arguments, Options, Lines extends LineShapes> {
  readonly args: Arguments;
  readonly options: Options;
  readonly out: Output<Lines>;
  /** The API that flags, environment or profile name. `denied` or `usage` when none is configured. */
  api(): Promise<ApiClient>;
  /** The buckets, or a folder with copies of them, and the key: without API and function app. */
  repository(): Promise<DirectRepository>;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** Settings of the process; secrets of the caller come from here, never from arguments. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Log lines of the product, to stderr; warnings and errors only with `--quiet`. */
  readonly logger: Logger;
  /** All of stdin as UTF-8, bounded. For `-` as a file name. */
  readStdin(): Promise<string>;
  /** Waits, and ends early when the signal is aborted. */
  sleep(ms: number): Promise<void>;
  /** The whole command table as a tree of words, for completion, documents and schemas. */
  readonly program: ProgramView;
}

export interface ProgramView {
  readonly version: string;
  readonly commands: readonly import('./command').Command[];
}
