import { createScaleSetFleet } from '../../shared/azure/scale-set-fleet';
import { computeId } from '../../shared/model/ids';
import { type Fixture, region, startFixture, subscription } from './cloud-fixture';

const scaleSetId = computeId(subscription, 'proxies', 'virtualMachineScaleSets', 'movers');

describe('scale set fleet', () => {
  let fixture: Fixture;

  beforeAll(async () => {
    fixture = await startFixture({ vms: [] });
  });
  afterAll(() => fixture.close());

  const capacity = async (): Promise<number> => {
    const token = await fixture.arm.credential.getToken('https://management.azure.com/.default');
    const url = `${fixture.cloud.endpoints.arm}${scaleSetId}?api-version=2026-04-01`;
    const reply = await fetch(url, { headers: { authorization: `Bearer ${token?.token}` } });
    return ((await reply.json()) as { sku: { capacity: number } }).sku.capacity;
  };
  const writes = () =>
    fixture.cloud.context.log.entries({ service: 'arm' }).filter(({ method }) => method === 'PATCH').length;

  test('a region is raised from zero and lowered to zero; repeating either asks for nothing', async () => {
    const fleet = createScaleSetFleet({ ...fixture.arm, scaleSets: { [region]: scaleSetId }, instances: 2 });
    await fleet.launch(region);
    expect(await capacity()).toBe(2);
    await fleet.launch(region);
    expect(writes()).toBe(1);
    await fleet.remove(region);
    await fleet.remove(region);
    expect(await capacity()).toBe(0);
    expect(writes()).toBe(2);
  });

  test('launching takes no instances away', async () => {
    const scaleSets = { [region]: scaleSetId };
    await createScaleSetFleet({ ...fixture.arm, scaleSets, instances: 3 }).launch(region);
    await createScaleSetFleet({ ...fixture.arm, scaleSets }).launch(region);
    expect(await capacity()).toBe(3);
    await createScaleSetFleet({ ...fixture.arm, scaleSets }).remove(region);
  });

  test('a region without a scale set, and a scale set that does not exist, are told by name', async () => {
    const missing = computeId(subscription, 'proxies', 'virtualMachineScaleSets', 'nothing');
    const fleet = createScaleSetFleet({ ...fixture.arm, scaleSets: { northeurope: missing } });
    await expect(fleet.launch(region)).rejects.toMatchObject({ code: 'config.invalid' });
    await expect(fleet.launch('northeurope')).rejects.toMatchObject({ code: 'config.invalid' });
  });
});
