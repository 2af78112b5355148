/** `/admin/*`: the host's status, the list of functions, manual runs of functions that no HTTP request triggers. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FunctionTable } from '../function-table';
import { isOneOf, type Keys } from '../keys';
import { keyOf } from './access';
import { readBody, sendJson } from './reply';

/** `run` starts a manual run and returns false when the function's trigger cannot be run by hand. */
export interface AdminApi {
  readonly functions: FunctionTable;
  readonly run: (functionName: string, input: string) => boolean;
}

/** The status needs no key, so that it can serve as a readiness probe; everything else needs the master key. */
export async function handleAdmin(
  admin: AdminApi,
  keys: Keys,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const [, , area, name] = url.pathname.split('/');
  if (area === 'host' && name === 'status' && request.method === 'GET') {
    const processUptime = Math.round(process.uptime() * 1000);
    sendJson(response, 200, {
      id: 'blockferry-embedded-host',
      state: 'Running',
      version: '4.0.0-embedded',
      processUptime,
    });
    return;
  }
  if (!isOneOf(keyOf(request, url), [keys.masterKey])) {
    sendJson(response, 401);
    return;
  }
  if (area !== 'functions') {
    sendJson(response, 501, { Message: `${url.pathname} is not emulated.` });
    return;
  }
  if (name === undefined || name === '') {
    sendJson(
      response,
      200,
      admin.functions.all().map(({ info }) => ({ name: info.name, bindings: Object.values(info.bindings) })),
    );
    return;
  }
  await runFunction(admin, decoded(name), request, response);
}

async function runFunction(
  admin: AdminApi,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const known = admin.functions.find(name);
  if (known === undefined) {
    sendJson(response, 404);
    return;
  }
  if (request.method === 'GET') {
    sendJson(response, 200, { name: known.info.name, bindings: Object.values(known.info.bindings) });
    return;
  }
  const input = inputOf((await readBody(request)).toString('utf8'));
  if (request.method !== 'POST' || input === undefined) {
    sendJson(response, 400, { Message: 'Expected POST with a JSON body such as {"input":""}.' });
    return;
  }
  const started = admin.run(known.info.name, input);
  sendJson(
    response,
    started ? 202 : 501,
    started ? undefined : { Message: `${known.trigger.type} cannot be run by hand.` },
  );
}

/** A name that is not valid percent encoding is no function's. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return '';
  }
}

/** The `input` of the body as text; an empty body counts as empty input. */
function inputOf(body: string): string | undefined {
  if (body === '') {
    return '';
  }
  try {
    const { input = '' } = JSON.parse(body) as { input?: unknown };
    return typeof input === 'string' ? input : JSON.stringify(input);
  } catch {
    return undefined;
  }
}
