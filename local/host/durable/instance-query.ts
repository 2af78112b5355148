/** Reading instances: status documents, lists with filters and pages, histories in the client's form. */
import type { Database } from './database';
import { EventType, type HistoryEvent } from './history';
import type { InstanceRow } from './instances';

export interface InstanceFilter {
  readonly createdFrom?: string;
  readonly createdTo?: string;
  readonly statuses: readonly string[];
  readonly idPrefix?: string;
}

export interface StatusOptions {
  readonly showInput: boolean;
  readonly showHistory: boolean;
  readonly showHistoryOutput: boolean;
}

export interface Page {
  readonly rows: readonly InstanceRow[];
  /** Give it back to get the next page; undefined on the last. */
  readonly continuation: string | undefined;
}

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;

/** Instances in order of creation. Throws on a continuation token that is none of ours. */
export function listInstances(db: Database, filter: InstanceFilter, limit?: number, continuation?: string): Page {
  const size = Math.min(limit ?? PAGE_DEFAULT, PAGE_MAX);
  const [afterAt = '', afterId = ''] = continuation === undefined ? [] : parseToken(continuation);
  const rows = db.all<InstanceRow>(
    `SELECT * FROM instances WHERE (createdAt, instanceId) > (?, ?) AND createdAt >= ? AND createdAt <= ?
      AND substr(instanceId, 1, length(?)) = ? AND (? = '[]' OR status IN (SELECT value FROM json_each(?)))
      ORDER BY createdAt, instanceId LIMIT ?`,
    ...[afterAt, afterId, filter.createdFrom ?? '', filter.createdTo ?? '9999'],
    ...[filter.idPrefix ?? '', filter.idPrefix ?? '', JSON.stringify(filter.statuses), JSON.stringify(filter.statuses)],
    size + 1,
  );
  const page = rows.slice(0, size);
  const last = page.at(-1);
  const more = rows.length > size && last !== undefined;
  return { rows: page, continuation: more ? tokenOf(last.createdAt, last.instanceId) : undefined };
}

function tokenOf(createdAt: string, instanceId: string): string {
  return Buffer.from(JSON.stringify([createdAt, instanceId])).toString('base64url');
}

function parseToken(token: string): readonly string[] {
  const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
  if (!Array.isArray(value) || value.length !== 2) {
    throw new Error('not a continuation token');
  }
  return value.map(String);
}

/** The document that the HTTP API and the SDK's `getStatus` expect. Input and output are values, not text. */
export function statusOf(db: Database, row: InstanceRow, options: StatusOptions): Readonly<Record<string, unknown>> {
  return {
    name: row.name,
    instanceId: row.instanceId,
    runtimeStatus: row.status,
    input: options.showInput ? parse(row.input) : null,
    customStatus: parse(row.customStatus),
    output: parse(row.output),
    createdTime: row.createdAt,
    lastUpdatedTime: row.updatedAt,
    ...(options.showHistory ? { historyEvents: historyOf(db, row, options.showHistoryOutput) } : {}),
  };
}

function parse(text: string | null): unknown {
  return text === null ? null : JSON.parse(text);
}

const EVENT_NAMES: Readonly<Record<number, string>> = {
  [EventType.executionStarted]: 'ExecutionStarted',
  [EventType.executionCompleted]: 'ExecutionCompleted',
  [EventType.taskCompleted]: 'TaskCompleted',
  [EventType.taskFailed]: 'TaskFailed',
  [EventType.childCompleted]: 'SubOrchestrationInstanceCompleted',
  [EventType.childFailed]: 'SubOrchestrationInstanceFailed',
  [EventType.timerFired]: 'TimerFired',
  [EventType.eventRaised]: 'EventRaised',
  [EventType.eventSent]: 'EventSent',
};

/** As in Azure the scheduling events are folded into their completions; what is still open is listed by itself. */
function historyOf(db: Database, row: InstanceRow, withOutput: boolean): readonly unknown[] {
  const sql = 'SELECT event FROM history WHERE executionId = ? ORDER BY seq';
  const events = db.all<{ event: string }>(sql, row.executionId).map(({ event }) => JSON.parse(event) as HistoryEvent);
  const scheduled = new Map(events.filter((item) => item.EventId >= 0).map((item) => [item.EventId, item]));
  return events.flatMap((item) => {
    const EventName = EVENT_NAMES[item.EventType];
    if (EventName === undefined) {
      return [];
    }
    const cause = scheduled.get(item.TaskScheduledId ?? item.TimerId ?? -1);
    return [
      {
        EventType: EventName,
        Timestamp: item.Timestamp,
        ...(item.Name === undefined ? {} : { Name: item.Name }),
        ...(cause === undefined ? {} : { ScheduledTime: cause.Timestamp }),
        ...(cause?.Name === undefined ? {} : { FunctionName: cause.Name }),
        ...(item.FireAt === undefined ? {} : { FireAt: item.FireAt }),
        ...(item.Reason === undefined ? {} : { Reason: item.Reason, Details: item.Details }),
        ...(withOutput && item.Result !== undefined ? { Result: parse(item.Result) } : {}),
        ...(withOutput && item.EventType === EventType.eventRaised ? { Input: parse(item.Input ?? null) } : {}),
        ...(item.EventType === EventType.executionCompleted ? { OrchestrationStatus: row.status } : {}),
      },
    ];
  });
}
