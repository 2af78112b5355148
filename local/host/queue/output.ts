/** Queue output bindings: what a function put into `extraOutputs` or returned becomes messages. */
import type { KnownFunction } from '../function-table';
import type { QueueConfig } from '../host-json';
import type { ResultMessage, TypedData } from '../protocol';
import { resolveSettings, type Settings } from '../settings';
import { queueClient } from './connection';

export type MessageEncoding = QueueConfig['encoding'];

/** Sends all queue outputs of an invocation; queues are created when missing. */
export async function writeQueueOutputs(
  settings: Settings,
  encoding: MessageEncoding,
  known: KnownFunction,
  result: ResultMessage,
): Promise<void> {
  for (const [name, binding] of Object.entries(known.info.bindings)) {
    if (binding.direction !== 'out' || binding.type !== 'queue') {
      continue;
    }
    const data = name === '$return' ? result.returnValue : result.outputData.find((item) => item.name === name)?.data;
    const texts = messagesOf(data);
    if (texts.length > 0) {
      const client = queueClient(
        settings,
        binding['connection'],
        resolveSettings(String(binding['queueName']), settings),
      );
      await client.createIfNotExists();
      for (const text of texts) {
        await client.sendMessage(encodeMessage(text, encoding));
      }
    }
  }
}

/** An array is one message for each of its elements; text goes as it is, everything else as JSON. */
export function messagesOf(data: TypedData | null | undefined): readonly (string | Uint8Array)[] {
  if (data === null || data === undefined) {
    return [];
  }
  if (data.bytes !== undefined) {
    return [data.bytes];
  }
  if (data.json !== undefined) {
    const value: unknown = JSON.parse(data.json);
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    return items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
  }
  return [String(data.string ?? data.int ?? data.double ?? '')];
}

export function encodeMessage(content: string | Uint8Array, encoding: MessageEncoding): string {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : Buffer.from(content);
  return encoding === 'base64' ? bytes.toString('base64') : bytes.toString('utf8');
}

/** The message's text, or undefined when it is not what the encoding promises. */
export function decodeMessage(text: string, encoding: MessageEncoding): string | undefined {
  if (encoding === 'none') {
    return text;
  }
  const compact = text.trim();
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(compact);
  return isBase64 ? Buffer.from(compact, 'base64').toString('utf8') : undefined;
}
