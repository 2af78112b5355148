/**
 * Runs the identity suite against the simulator, or, inside a function app or container app, against the platform:
 *
 *   CONFORMANCE_IDENTITY_ENDPOINT   the platform's IDENTITY_ENDPOINT
 *   CONFORMANCE_IDENTITY_HEADER     the platform's IDENTITY_HEADER
 *   CONFORMANCE_IDENTITY_RESOURCE   App ID URI, for example api://blockferry
 */
import { type AzureFixture, startAzureFixture } from '../cloud/arm-fixture';
import { type IdentityTarget, identityConformance } from './identity';

describe('managed identity', () => {
  let fixture: AzureFixture | undefined;
  let target: IdentityTarget;
  beforeAll(async () => {
    const endpoint = process.env['CONFORMANCE_IDENTITY_ENDPOINT'];
    const header = process.env['CONFORMANCE_IDENTITY_HEADER'];
    const resource = process.env['CONFORMANCE_IDENTITY_RESOURCE'] ?? 'api://blockferry';
    if (endpoint !== undefined && header !== undefined) {
      target = { endpoint, header, resource };
      return;
    }
    fixture = await startAzureFixture();
    target = { endpoint: fixture.azure.endpoints.identity, header: fixture.azure.endpoints.identityHeader, resource };
  });
  identityConformance(() => target);
  afterAll(() => fixture?.close());
});
