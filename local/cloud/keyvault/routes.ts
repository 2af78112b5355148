/** Which operation a request is, by method and path. Sources: Azure REST: Keys, api-version 7.4 and later. */
export interface VaultCall {
  /** `keyvault.wrapKey` and so on: for the log and for fault rules. */
  readonly operation: string;
  /** The permission it needs, in the words of access policies. */
  readonly permission: string;
  readonly name: string;
  readonly version: string | undefined;
}

const NAME = '[A-Za-z0-9-]{1,127}';
const route = (method: string, pattern: string, operation: string, permission: string) =>
  ({ method, pattern: new RegExp(`^${pattern}$`), operation, permission }) as const;

/** The SDK writes no version as an empty path segment, so a closing slash is the same as none. */
const ROUTES = [
  route('GET', '/keys', 'listKeys', 'list'),
  route('POST', `/keys/(${NAME})/create`, 'createKey', 'create'),
  route('POST', `/keys/(${NAME})/rotate`, 'rotateKey', 'rotate'),
  route('GET', `/keys/(${NAME})/versions`, 'listKeyVersions', 'list'),
  route('GET', `/keys/(${NAME})(?:/([0-9a-f]*))?`, 'getKey', 'get'),
  route('PATCH', `/keys/(${NAME})(?:/([0-9a-f]*))?`, 'updateKey', 'update'),
  route('DELETE', `/keys/(${NAME})`, 'deleteKey', 'delete'),
  route('POST', `/keys/(${NAME})/([0-9a-f]*)/wrapkey`, 'wrapKey', 'wrapKey'),
  route('POST', `/keys/(${NAME})/([0-9a-f]*)/unwrapkey`, 'unwrapKey', 'unwrapKey'),
  route('GET', '/deletedkeys', 'listDeletedKeys', 'list'),
  route('GET', `/deletedkeys/(${NAME})`, 'getDeletedKey', 'get'),
  route('DELETE', `/deletedkeys/(${NAME})`, 'purgeKey', 'purge'),
  route('POST', `/deletedkeys/(${NAME})/recover`, 'recoverKey', 'recover'),
];

/** undefined: not one of ours. */
export function parseCall(method: string, pathname: string): VaultCall | undefined {
  for (const { method: wanted, pattern, operation, permission } of ROUTES) {
    const match = method === wanted ? pattern.exec(pathname) : null;
    if (!match) continue;
    const [, name = '', version = ''] = match;
    return {
      operation: `keyvault.${operation}`,
      permission,
      name: name.toLowerCase(),
      version: version === '' ? undefined : version,
    };
  }
  return undefined;
}
