/** Runs the ARM suite; how to point it at Azure stands in azure-target.ts. */
import { armConformance } from './arm';
import { type AzureTarget, openAzureTarget } from './azure-target';

describe('ARM compute', () => {
  let target: AzureTarget;
  beforeAll(async () => {
    target = await openAzureTarget();
  });
  armConformance(() => target);
  afterAll(() => target.close());
});
