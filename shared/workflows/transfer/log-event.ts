/** What a data proxy reported, as a line of the job's log. Progress is no line: there is too much of it. */
import type { JobLog } from '../../catalog/job-log';
import type { TransferEvent } from '../../model/transfer';

const MIB = 1024 * 1024;
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0)} MiB`;

/** Safe to repeat: a line a window and outcome; of failures, one for each time that was reported. */
export async function logTransferEvent(log: JobLog, event: TransferEvent): Promise<void> {
  if (event.kind === 'progress') return;
  const where = `disk ${event.lun}, window ${event.windowIndex}`;
  const key = `${event.lun}-${event.windowIndex}-${event.kind}`;
  if (event.kind === 'failed') {
    const again = event.retryable ? '; it will be tried again' : '';
    const line = { level: event.retryable ? 'warn' : 'error', message: `${where}: ${event.message}${again}` } as const;
    await log.write(event.jobId, `${key}-${event.at}`, { ...line, code: event.code });
    return;
  }
  const { readBytes, newBytes, storedBytes } = event.stats;
  const message = `${where} done: ${mib(readBytes)} read, ${mib(newBytes)} new, ${mib(storedBytes)} stored`;
  await log.write(event.jobId, key, { level: 'info', message });
}
