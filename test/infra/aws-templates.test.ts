/** The AWS templates: made from the tables and from nothing else, known to AWS and Terraform, and the same in both. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { generatedFiles } from '../../infra/aws/generated';
import { awsSeed } from '../../local/stack/aws-seed';
import { roleNames } from '../../shared/rights/names';
import { problemsOf } from './cfn-schema';
import { AWS_FOLDER, documentOf, type Resolved, readTemplate, resolveTemplate } from './cfn-template';
import { ACCOUNT, parameters, pseudo, subjects } from './sample-names';
import { fillPolicy, readModule } from './terraform';

const main = (): Resolved => resolveTemplate(readTemplate('blockferry.yaml'), parameters, pseudo);
const capital = (role: string): string => role.slice(0, 1).toUpperCase() + role.slice(1);

interface RoleProperties {
  readonly RoleName: string;
  readonly AssumeRolePolicyDocument: string;
  readonly Policies: ReadonlyArray<{ readonly PolicyDocument: unknown }>;
}

const roleOf = (resolved: Resolved, role: string): RoleProperties =>
  resolved.resources[`${capital(role)}Role`]?.Properties as unknown as RoleProperties;

test('the files are what the tables make, and there are no others', () => {
  const made = generatedFiles();
  const files = globSync(['cloudformation/*.yaml', 'terraform/**/*.tftpl'], { cwd: AWS_FOLDER }).sort();
  expect(files).toEqual([...made.keys()].sort());
  for (const [file, text] of made) {
    // When this fails: npm run build && node dist/infra/aws/main.js
    expect({ file, text: readFileSync(path.join(AWS_FOLDER, file), 'utf8') }).toEqual({ file, text });
  }
});

describe('CloudFormation', () => {
  test.each(['blockferry.yaml', 'replica.yaml'])('%s fits what AWS says of its resource types', async (name) => {
    const template = readTemplate(name);
    expect(Object.keys(template.Resources).length).toBeGreaterThan(1);
    expect(await problemsOf(template)).toEqual([]);
  });

  test('the check finds what is wrong', async () => {
    const Type = 'AWS::S3::Bucket';
    const broken = {
      ...readTemplate('replica.yaml'),
      Resources: {
        A: { Type: 'AWS::S3::Bukkit', Properties: {} },
        B: { Type, Properties: { BucketNames: 'x' } },
        C: { Type, Properties: { ObjectLockEnabled: 'perhaps' } },
        D: { Type, Properties: { LifecycleConfiguration: {} } },
        E: {
          Type,
          Properties: { LifecycleConfiguration: { 'Fn::If': ['X', { Rules: [{ Status: 1 }] }, { Ref: 'Y' }] } },
        },
      },
    };
    expect((await problemsOf(broken)).map((problem) => problem.slice(0, 1))).toEqual(['A', 'B', 'C', 'D', 'E']);
  });

  test('every parameter is used, every reference leads somewhere, with and without the options', () => {
    for (const name of ['blockferry.yaml', 'replica.yaml']) {
      const { Parameters, ...rest } = readTemplate(name);
      const text = JSON.stringify(rest);
      const unused = Object.keys(Parameters).filter(
        (parameter) => !text.includes(`{"Ref":"${parameter}"}`) && !text.includes(`\${${parameter}}`),
      );
      expect({ name, unused }).toEqual({ name, unused: [] });
    }
    expect(Object.keys(main().resources)).toContain('EraserRole');
    const plain = { ...parameters, EraserObjectId: '', ReplicaBucketArn: '', CreateOidcProvider: 'false' };
    const { resources } = resolveTemplate(readTemplate('blockferry.yaml'), plain, pseudo);
    expect(Object.keys(resources)).toEqual([
      'WriterRole',
      'ReaderRole',
      'CollectorRole',
      'KeeperRole',
      'CatalogueRole',
      'DataBucket',
      'DataBucketPolicy',
      'ControlBucket',
      'ControlBucketPolicy',
    ]);
    expect(resources['DataBucket']?.Properties['ReplicationConfiguration']).toBeUndefined();
  });

  test('the buckets keep what is in them', () => {
    const { resources } = main();
    for (const id of ['DataBucket', 'ControlBucket']) {
      expect(resources[id]).toMatchObject({
        DeletionPolicy: 'Retain',
        UpdateReplacePolicy: 'Retain',
        Properties: {
          VersioningConfiguration: { Status: 'Enabled' },
          PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
        },
      });
    }
    expect(resources['DataBucket']?.Properties).toMatchObject({
      ObjectLockEnabled: true,
      ObjectLockConfiguration: { Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: '30' } } },
    });
    expect(JSON.stringify(resources['DataBucket']?.Properties['LifecycleConfiguration'])).not.toMatch(/Expiration/);
  });

  test('roles are trusted by subject and audience, one hour at most', () => {
    const trusted = { writer: ['control', 'dataProxy'], reader: ['control', 'dataProxy'], catalogue: ['control'] };
    const resolved = main();
    for (const role of roleNames) {
      const { AssumeRolePolicyDocument, ...rest } = roleOf(resolved, role);
      expect(rest).toMatchObject({ RoleName: `ferry-${role}`, MaxSessionDuration: 3600 });
      const who = (trusted as Record<string, readonly (keyof typeof subjects)[]>)[role] ?? [
        role === 'eraser' ? 'person' : (role as keyof typeof subjects),
      ];
      expect(documentOf(AssumeRolePolicyDocument).Statement).toEqual([
        {
          Effect: 'Allow',
          Principal: {
            Federated: `arn:aws:iam::${ACCOUNT}:oidc-provider/sts.example/${parameters.EntraTenantId}/`,
          },
          Action: 'sts:AssumeRoleWithWebIdentity',
          Condition: {
            StringEquals: {
              [`sts.example/${parameters.EntraTenantId}/:aud`]: parameters.Audience,
              [`sts.example/${parameters.EntraTenantId}/:sub`]: who.map((identity) => subjects[identity]),
            },
          },
        },
      ]);
    }
  });

  test('the policies fit what AWS takes', () => {
    const { resources } = main();
    for (const id of ['DataBucketPolicy', 'ControlBucketPolicy']) {
      expect(JSON.stringify(resources[id]?.Properties['PolicyDocument']).length).toBeLessThan(20 * 1024);
    }
    for (const role of roleNames) {
      const { Policies, AssumeRolePolicyDocument } = roleOf(main(), role);
      expect(JSON.stringify(Policies[0]?.PolicyDocument).length).toBeLessThan(10_240);
      expect(AssumeRolePolicyDocument.length).toBeLessThan(2048);
    }
  });

  test('the nine denies are there', () => {
    const policy = documentOf(main().resources['DataBucketPolicy']?.Properties['PolicyDocument']);
    const statements: ReadonlyArray<{ Sid: string; Effect: string; Principal: string }> = policy.Statement;
    expect(statements.map(({ Sid }) => Sid)).toEqual([
      'WriteOnce',
      'NoMarkers',
      'OnlyCollectorDeletes',
      'LockCap',
      'NoBypass',
      'NoSseC',
      'TlsOnly',
      'FromUs',
      'Frozen',
    ]);
    expect(statements.every(({ Effect, Principal }) => Effect === 'Deny' && Principal === '*')).toBe(true);
  });
});

describe('Terraform', () => {
  const values = (): Record<string, unknown> => ({
    ...parameters,
    Partition: pseudo.Partition,
    AccountId: ACCOUNT,
    AllowedNetworks: parameters.AllowedNetworks.split(','),
    LockCapDays: Number(parameters.LockDays) + 5,
  });

  test.each(['terraform', 'terraform/replica'])('%s parses, and every reference leads somewhere', async (folder) => {
    const { variables, resources, locals, text } = await readModule(folder);
    const used = (pattern: RegExp): Set<string> => new Set([...text.matchAll(pattern)].map((match) => match[1] ?? ''));
    const variablesUsed = used(/\bvar\.(\w+)/g);
    expect([...variablesUsed].sort()).toEqual(Object.keys(variables).sort());
    expect([...used(/\blocal\.(\w+)/g)].filter((name) => !(name in locals))).toEqual([]);
    const known = new Set(
      Object.entries(resources).flatMap(([type, byName]) => Object.keys(byName).map((name) => `${type}.${name}`)),
    );
    const references = [...used(/(?<!data\.)\b(aws_[a-z0-9_]+\.[a-z_]+)\b/g)];
    expect(references.filter((name) => !known.has(name))).toEqual([]);
    const files = [...used(/path\.module\}\/([\w./${}-]+?\.tftpl)/g)].flatMap((file) => expand(file));
    expect(files.length).toBeGreaterThan(0);
    expect(files.filter((file) => !existsSync(path.join(AWS_FOLDER, folder, file)))).toEqual([]);
  });

  const expand = (file: string): string[] =>
    file.includes('-bucket')
      ? ['data', 'control'].map((key) => file.replace('$' + '{each.key}', key))
      : roleNames.map((role) => file.replace('$' + '{each.key}', role));

  test('gives templatefile() every name that the policies use', async () => {
    for (const folder of ['terraform', 'terraform/replica']) {
      const { locals } = await readModule(folder);
      const names = Object.keys(locals['names'] as object);
      for (const file of globSync('policies/*.tftpl', { cwd: path.join(AWS_FOLDER, folder) })) {
        const text = readFileSync(path.join(AWS_FOLDER, folder, file), 'utf8');
        const used = [...text.matchAll(/\$\{(?:jsonencode\()?(\w+)\)?\}/g)].map((match) => match[1] ?? '');
        expect({ file, missing: used.filter((name) => !names.includes(name)) }).toEqual({ file, missing: [] });
      }
    }
  });

  test('has the same policies as CloudFormation', () => {
    const resolved = main();
    for (const role of roleNames) {
      const { AssumeRolePolicyDocument, Policies } = roleOf(resolved, role);
      expect(fillPolicy(`terraform/policies/${role}.json.tftpl`, values())).toEqual(Policies[0]?.PolicyDocument);
      expect(fillPolicy(`terraform/policies/${role}-trust.json.tftpl`, values())).toEqual(
        documentOf(AssumeRolePolicyDocument),
      );
    }
    for (const bucket of ['data', 'control']) {
      const policy = resolved.resources[`${capital(bucket)}BucketPolicy`]?.Properties['PolicyDocument'];
      expect(fillPolicy(`terraform/policies/${bucket}-bucket.json.tftpl`, values())).toEqual(policy);
    }
    const replicator = roleOf(resolved, 'replicator');
    expect(fillPolicy('terraform/policies/replicator.json.tftpl', values())).toEqual(
      replicator.Policies[0]?.PolicyDocument,
    );
    expect(fillPolicy('terraform/policies/replicator-trust.json.tftpl', values())).toEqual(
      replicator.AssumeRolePolicyDocument,
    );
  });

  test('offers the same parameters as CloudFormation', async () => {
    const { variables } = await readModule('terraform');
    const snake = (name: string): string => name.replace(/(?<!^)([A-Z])/g, '_$1').toLowerCase();
    expect(Object.keys(variables).sort()).toEqual(
      Object.keys(readTemplate('blockferry.yaml').Parameters).map(snake).sort(),
    );
  });
});

test('the embedded account has the policies of the templates', () => {
  const seed = awsSeed({
    accountId: ACCOUNT,
    region: 'eu-central-1',
    audience: parameters.Audience,
    subject: 'nobody',
    subjects,
    tenant: parameters.RepositoryTenant,
    dataBucket: parameters.DataBucketName,
    controlBucket: parameters.ControlBucketName,
    lockDays: Number(parameters.LockDays),
  });
  const arns = {
    DeployerArn: `arn:aws:iam::${ACCOUNT}:user/admin`,
    RescuerArn: `arn:aws:iam::${ACCOUNT}:role/rescuer`,
  };
  const resolved = resolveTemplate(
    readTemplate('blockferry.yaml'),
    { ...parameters, ...arns, RolePrefix: 'blockferry' },
    pseudo,
  );
  const placed = (value: unknown): unknown =>
    JSON.parse(JSON.stringify(value).replaceAll('{issuerHostPath}', `sts.example/${parameters.EntraTenantId}/`));
  expect(seed.roles.map(({ name }) => name)).toEqual(roleNames.map((role) => `blockferry-${role}`));
  for (const role of roleNames) {
    const { AssumeRolePolicyDocument, Policies } = roleOf(resolved, role);
    const seeded = seed.roles.find(({ name }) => name === `blockferry-${role}`);
    expect(seeded?.policy).toEqual(Policies[0]?.PolicyDocument);
    expect(placed(seeded?.trust)).toEqual(documentOf(AssumeRolePolicyDocument));
  }
  for (const [index, id] of ['DataBucketPolicy', 'ControlBucketPolicy'].entries()) {
    expect(seed.buckets[index]?.policy).toEqual(resolved.resources[id]?.Properties['PolicyDocument']);
  }
});
