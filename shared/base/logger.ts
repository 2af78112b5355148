export type LogLevel = 'info' | 'warn' | 'error';

/** Fields are ids, counts and codes. Never an SDK object: SDK errors carry SAS urls and tokens in their request fields. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Logger {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export const silentLogger: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** JSON lines, one an entry, so that names with newlines or control characters cannot forge an entry. */
export function jsonLogger(write: (line: string, level: LogLevel) => void, now: () => number): Logger {
  const log =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void =>
      write(`${JSON.stringify({ at: new Date(now()).toISOString(), level, message, ...fields })}\n`, level);
  return { info: log('info'), warn: log('warn'), error: log('error') };
}
