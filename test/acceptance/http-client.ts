/** The API as any client reaches it: a base url, and a key or tokens. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface Target {
  /** Without the `/api`. */
  readonly baseUrl: string;
  /** Headers that say who calls; asked for each call, because a token is shorter-lived than a job. */
  readonly credentials: () => Promise<Readonly<Record<string, string>>>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: an acceptance test looks into answers of any shape
  readonly body: any;
}

export interface Call {
  readonly body?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** false: without the key or token. */
  readonly keyed?: boolean;
}

const CALL_MS_MAX = 30_000;
const POLL_MS = 250;

export function httpClient({ baseUrl, credentials }: Target) {
  async function call(method: string, path: string, options: Call = {}): Promise<Reply> {
    const text = options.text ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const response = await fetch(`${baseUrl.replace(/\/$/, '')}/api/${path}`, {
      method,
      headers: {
        ...(options.keyed === false ? {} : await credentials()),
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(text === undefined ? {} : { body: text }),
      signal: AbortSignal.timeout(CALL_MS_MAX),
    });
    const received = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(received) : received };
  }

  /** The job as it ended. Its phases on the way are collected: each change as it was seen. */
  async function jobEnd(
    jobId: string,
    msMax: number,
  ): Promise<{ readonly job: Reply['body']; readonly phases: string[] }> {
    const phases: string[] = [];
    for (const endsAt = Date.now() + msMax; ; await sleep(POLL_MS)) {
      const { status, body } = await call('GET', `jobs/${jobId}`);
      if (status !== 200) throw new Error(`job ${jobId} answers ${status}`);
      if (phases.at(-1) !== body.phase) phases.push(body.phase);
      if (body.status !== 'running') return { job: body, phases };
      if (Date.now() > endsAt) throw new Error(`job ${jobId} is in phase ${body.phase} after ${msMax} ms`);
    }
  }

  return { call, jobEnd };
}

export type Client = ReturnType<typeof httpClient>;
