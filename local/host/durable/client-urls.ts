/** The durable client binding: what `df.getClient` reads, and the management URLs handed to callers. */

export interface ClientAddresses {
  /** Origin of the public HTTP front, such as `http://localhost:7071`. */
  readonly origin: string;
  /** Where the SDK's client sends its calls; ends with a slash. */
  readonly rpcBaseUrl: string;
  readonly hubName: string;
  readonly systemKey: string;
}

const WEBHOOK_PATH = '/runtime/webhooks/durabletask';

export function managementUrls(addresses: ClientAddresses, instanceId: string): Readonly<Record<string, string>> {
  const { origin, hubName, systemKey } = addresses;
  const instance = `${origin}${WEBHOOK_PATH}/instances/${encodeURI(instanceId)}`;
  const query = `taskHub=${hubName}&connection=Storage&code=${systemKey}`;
  return {
    id: instanceId,
    statusQueryGetUri: `${instance}?${query}`,
    sendEventPostUri: `${instance}/raiseEvent/{eventName}?${query}`,
    terminatePostUri: `${instance}/terminate?reason={text}&${query}`,
    rewindPostUri: `${instance}/rewind?reason={text}&${query}`,
    purgeHistoryDeleteUri: `${instance}?${query}`,
    restartPostUri: `${instance}/restart?${query}`,
    suspendPostUri: `${instance}/suspend?reason={text}&${query}`,
    resumePostUri: `${instance}/resume?reason={text}&${query}`,
  };
}

/** The JSON text of a `durableClient` input. The SDK replaces the placeholders itself. */
export function clientBinding(addresses: ClientAddresses): string {
  const { origin, hubName, systemKey, rpcBaseUrl } = addresses;
  const create = `${origin}${WEBHOOK_PATH}/orchestrators/{functionName}[/{instanceId}]?code=${systemKey}`;
  return JSON.stringify({
    taskHubName: hubName,
    creationUrls: {
      createNewInstancePostUri: create,
      createAndWaitOnNewInstancePostUri: `${create}&timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}`,
    },
    managementUrls: managementUrls(addresses, 'INSTANCEID'),
    baseUrl: `${origin}${WEBHOOK_PATH}`,
    requiredQueryStringParameters: `code=${systemKey}`,
    rpcBaseUrl,
    httpBaseUrl: `${origin}${WEBHOOK_PATH}/`,
  });
}
