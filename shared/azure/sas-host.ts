/** Where an access url may point. ARM's answers are checked like a user's input: a SAS is fetched from known hosts only. */
import { AppError } from '../model/errors';

/** Hosts of managed-disk SAS urls and of page blobs, in the public cloud, US Government and China. */
export const azureBlobSuffixes: readonly string[] = [
  '.blob.storage.azure.net',
  '.blob.core.windows.net',
  '.blob.core.usgovcloudapi.net',
  '.blob.core.chinacloudapi.cn',
];

/** Throws `access.denied` unless it is https to a host below one of the suffixes, or loopback where that is allowed. */
export function assertSasHost(
  url: string,
  rule: { readonly hostSuffixes: readonly string[]; readonly allowLoopback: boolean },
): void {
  const parsed = URL.parse(url);
  const host = parsed?.hostname.toLowerCase() ?? '';
  const plain = parsed !== null && parsed.username === '' && parsed.password === '';
  if (plain && rule.allowLoopback && isLoopback(host)) return;
  if (plain && parsed.protocol === 'https:' && rule.hostSuffixes.some((suffix) => host.endsWith(suffix))) return;
  throw new AppError('access.denied', 'Azure named a host for the access that is not one of its blob hosts', {
    context: { host: host.slice(0, 200) },
  });
}

export const isLoopbackUrl = (url: string): boolean => isLoopback(URL.parse(url)?.hostname.toLowerCase() ?? '');

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
