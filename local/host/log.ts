/** Log lines of the host: one JSON object a line, on stderr and, if wanted, appended to a file. */
import { appendFileSync } from 'node:fs';

export interface LogLine {
  readonly level: string;
  readonly category: string;
  readonly message: string;
  readonly functionName?: string;
  readonly invocationId?: string;
}

export type Log = (line: LogLine) => void;

/** A logger which never throws: a full disk or a closed terminal must not stop the host. */
export function createLog(file: string | undefined): Log {
  return (line) => {
    const text = `${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`;
    try {
      process.stderr.write(text);
      if (file !== undefined) {
        appendFileSync(file, text);
      }
    } catch {
      // Nowhere left to report to.
    }
  };
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
