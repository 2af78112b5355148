/** The AWS service alone in a process, to be killed: `aws-crash-child.ts <state directory>` prints its port. */
import { createAwsService } from '../../local/cloud/aws/service';
import { FaultPlan } from '../../local/cloud/kit/faults';
import { listen } from '../../local/cloud/kit/listen';
import { SeededRandom } from '../../local/cloud/kit/random';
import { RequestLog } from '../../local/cloud/kit/request-log';

async function main(stateDirectory: string): Promise<void> {
  const random = new SeededRandom('crash');
  const context = {
    stateDirectory,
    now: Date.now,
    random,
    faults: new FaultPlan(random),
    log: new RequestLog(),
    registerControl: () => undefined,
  };
  const service = createAwsService(
    context,
    {
      accountId: '111122223333',
      region: 'eu-central-1',
      oidcProviders: [],
      roles: [],
      buckets: [{ name: 'data', versioning: true }],
      users: [{ name: 'admin', accessKeyId: 'AKIATESTADMIN0000001', secretAccessKey: 'crash-test' }],
    },
    { issuer: 'http://127.0.0.1:9/', jwks: () => ({ keys: [] }) },
  );
  const { port } = await listen(service, context, { port: 0 });
  process.stdout.write(`${port}\n`);
  process.stdin.resume().once('end', () => process.exit(0)); // gone with the test, however that ends
}

void main(process.argv[2] ?? '');
