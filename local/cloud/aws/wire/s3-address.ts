/** What a request points at: bucket and key from the path (path style) or from the host name (virtual-host style). */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { AwsError } from './aws-error';

export interface S3Address {
  readonly bucket: string | undefined;
  /** Decoded; undefined for a request on the bucket or the service. */
  readonly key: string | undefined;
  readonly query: ReadonlyMap<string, string>;
  /** Names and values decoded, in the order of the request. */
  readonly pairs: ReadonlyArray<readonly [string, string]>;
  /** The path as it was sent. */
  readonly path: string;
}

/** Throws InvalidRequest when the path or the query is not valid percent-encoding. */
export function s3AddressOf(request: IncomingMessage): S3Address {
  const target = request.url ?? '/';
  const queryAt = target.indexOf('?');
  const path = queryAt < 0 ? target : target.slice(0, queryAt);
  const pairs = queryAt < 0 ? [] : pairsOf(target.slice(queryAt + 1));
  const hostBucket = bucketOfHost(request.headers.host ?? '');
  const rest = path.replace(/^\//, '');
  const slashAt = rest.indexOf('/');
  const bucket = hostBucket ?? decode(slashAt < 0 ? rest : rest.slice(0, slashAt));
  const key = hostBucket === undefined ? (slashAt < 0 ? '' : decode(rest.slice(slashAt + 1))) : decode(rest);
  return {
    bucket: bucket === '' ? undefined : bucket,
    key: key === '' ? undefined : key,
    query: new Map(pairs),
    pairs,
    path,
  };
}

function pairsOf(query: string): ReadonlyArray<readonly [string, string]> {
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equalsAt = pair.indexOf('=');
      const name = equalsAt < 0 ? pair : pair.slice(0, equalsAt);
      return [decode(name), equalsAt < 0 ? '' : decode(pair.slice(equalsAt + 1))] as const;
    });
}

/** `bucket.localhost` and `bucket.s3.region.amazonaws.com`; an address or a bare host name is path style. */
function bucketOfHost(host: string): string | undefined {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  if (name === '' || name.startsWith('[') || isIP(name) !== 0) return undefined;
  const match = /^(.+)\.(?:localhost|s3[.-].*amazonaws\.com)$/.exec(name);
  return match?.[1];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new AwsError('InvalidRequest', 'The request target is not valid percent-encoding.');
  }
}

/** RFC 3986 encoding as SigV4 and `encoding-type=url` want it; `/` stays when told. */
export function encodeRfc3986(text: string, options: { readonly keepSlash: boolean }): string {
  const encoded = encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return options.keepSlash ? encoded.replaceAll('%2F', '/') : encoded;
}
