/**
 * All settings, read once, checked together: the only file that reads process.env. A wrong setting is reported by name with
 * its fix, all of them at once, before anything is started.
 */
import { z } from 'zod';
import { parseCallerScopes } from '../api/identify';
import { AppError, isAppError } from '../model/errors';
import { regionSchema, tenantIdSchema } from '../model/ids';
import { limits } from '../model/limits';
import { cloudProblems } from './clouds';

const list = (item: z.ZodType<string, string>) =>
  z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(item).min(1));

const integer = (fallback: number) =>
  z
    .string()
    .regex(/^\d+$/, 'a whole number')
    .optional()
    .transform((text) => (text === undefined ? fallback : Number(text)));

const callerScopes = (text: string, context: z.RefinementCtx) => {
  try {
    return parseCallerScopes(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: isAppError(error) ? error.message : 'cannot be read' });
    return z.NEVER;
  }
};

const roleArn = z.string().regex(/^arn:aws[\w-]*:iam::\d{12}:role\/.+$/, 'the ARN of an IAM role');
const bucket = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'an S3 bucket name');
const KEY_VAULT_KEY = /^https:\/\/[\w.-]+(:\d{1,5})?\/keys\/[\w-]{1,127}(\/[0-9a-f]{32})?\/?$/i;
const armId = z.string().startsWith('/subscriptions/', 'an Azure resource id');

/** The settings by name. `local.settings.sample.json` lists the same names; a test compares them. */
export const settingsSchema = z.object({
  BLOCKFERRY_TENANT: tenantIdSchema,
  BLOCKFERRY_SUBSCRIPTIONS: list(z.uuid()),
  BLOCKFERRY_REGIONS: list(regionSchema),
  BLOCKFERRY_SNAPSHOT_GROUP: z.string().regex(/^[-\w.()]{1,90}$/, 'a resource group name'),
  BLOCKFERRY_STORAGE_CONNECTION: z.string().min(1).optional(),
  BLOCKFERRY_QUEUE_ENDPOINT: z.url().optional(),
  BLOCKFERRY_TABLE_ENDPOINT: z.url().optional(),
  BLOCKFERRY_ARM_ENDPOINT: z.url().default('https://management.azure.com'),
  BLOCKFERRY_ARM_AUDIENCE: z.string().min(1).default('https://management.azure.com'),
  BLOCKFERRY_IDENTITY_CLIENT_ID: z.uuid().optional(),
  /** The identities that AWS trusts with the roles of the collector and of the lock keeper; the app's own when absent. */
  BLOCKFERRY_COLLECTOR_CLIENT_ID: z.uuid().optional(),
  BLOCKFERRY_KEEPER_CLIENT_ID: z.uuid().optional(),
  BLOCKFERRY_AWS_AUDIENCE: z.string().min(1),
  AWS_REGION: z.string().min(1),
  AWS_ENDPOINT_URL: z.url().optional(),
  BLOCKFERRY_WRITER_ROLE_ARN: roleArn,
  BLOCKFERRY_READER_ROLE_ARN: roleArn,
  /** May delete what no restore point needs, and read no pack. Without it nothing is collected. */
  BLOCKFERRY_COLLECTOR_ROLE_ARN: roleArn.optional(),
  /** May lengthen the locks of objects, and nothing else. */
  BLOCKFERRY_KEEPER_ROLE_ARN: roleArn.optional(),
  /** Reads restore points and how the buckets are set up. */
  BLOCKFERRY_CATALOGUE_ROLE_ARN: roleArn.optional(),
  /** Default retention of the data bucket, in days; what restore points need is locked anew in each half. Absent: no locks. */
  BLOCKFERRY_LOCK_DAYS: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, 'days, 1 to 999')
    .transform(Number)
    .optional(),
  BLOCKFERRY_DATA_BUCKET: bucket,
  BLOCKFERRY_CONTROL_BUCKET: bucket,
  /** Wraps the tenant's root key: a file with a 32-byte key, a key in Azure Key Vault, or both while one replaces the other. */
  BLOCKFERRY_KEY_FILE: z.string().min(1).optional(),
  BLOCKFERRY_KEY_VAULT_KEY: z
    .string()
    .regex(KEY_VAULT_KEY, 'the id of a Key Vault key, https://VAULT/keys/NAME, best without a version')
    .optional(),
  /** Public key (PEM, RSA) whose private half lies offline: the second way to the root key. */
  BLOCKFERRY_ESCROW_KEY_FILE: z.string().min(1).optional(),
  /** `check` that the root key must have, as it was logged when the key was made. */
  BLOCKFERRY_ROOT_KEY_CHECK: z
    .string()
    .regex(/^[0-9a-f]{64}$/, '64 hex digits')
    .optional(),
  /** What a function app does: everything, the control plane, or the data proxy of the region BLOCKFERRY_REGION. */
  BLOCKFERRY_SERVES: z.enum(['all', 'control', 'data-proxy']).default('all'),
  BLOCKFERRY_FLEET: z.enum(['functions', 'scale-set', 'process']).default('functions'),
  BLOCKFERRY_SCALE_SETS: z
    .string()
    .optional()
    .transform((text) =>
      (text ?? '')
        .split(';')
        .filter((part) => part !== '')
        .map((part) => part.split('=')),
    )
    .pipe(z.array(z.tuple([regionSchema, armId]))),
  BLOCKFERRY_STATE_DIRECTORY: z.string().min(1).optional(),
  BLOCKFERRY_IMAGE_DIRECTORY: z.string().min(1).optional(),
  BLOCKFERRY_WINDOW_BYTES: integer(limits.windowBytesDefault).refine(
    (bytes) => bytes >= limits.leafBytes && bytes % limits.leafBytes === 0,
    `a multiple of ${limits.leafBytes}`,
  ),
  BLOCKFERRY_POLL_MS: integer(10_000).refine((ms) => ms >= 100, 'at least 100'),
  BLOCKFERRY_STALL_MS: integer(300_000).refine((ms) => ms >= 1000, 'at least 1000'),
  /** How long a data proxy's message stays invisible unless renewed: after a crash another goes on this much later. */
  BLOCKFERRY_LEASE_MS: integer(60_000).refine((ms) => ms >= 3000, 'at least 3000'),
  /** Who may call the API: holders of a token of the tenant, or, on one's own machine, of the function key. */
  BLOCKFERRY_AUTH: z.enum(['entra', 'function-key']).default('entra'),
  BLOCKFERRY_AUTH_AUTHORITY: z.url().default('https://login.microsoftonline.com'),
  BLOCKFERRY_AUTH_TENANT: z.uuid().optional(),
  /** Client id of the API's app registration; its api:// URI may follow behind a comma. */
  BLOCKFERRY_AUTH_AUDIENCE: list(z.string()).optional(),
  /** What callers may see, by object id of user, service or group: `ID=/subscriptions/…,/subscriptions/…;*=all`. */
  BLOCKFERRY_CALLER_SCOPES: z.string().max(32_000).default('').transform(callerScopes),
  BLOCKFERRY_PARENT_PID: integer(0),
  BLOCKFERRY_REGION: regionSchema.optional(),
});

export type Settings = z.infer<typeof settingsSchema>;

/** Reads and checks the environment. `config.invalid` names every wrong setting. */
export function loadSettings(environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const present = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = settingsSchema.safeParse(present);
  const problems = parsed.success
    ? combinations(parsed.data)
    : parsed.error.issues.map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`);
  if (!parsed.success || problems.length > 0) {
    throw new AppError(
      'config.invalid',
      `these settings are missing or wrong, see local.settings.sample.json: ${problems.join('; ')}`,
    );
  }
  return Object.freeze(parsed.data);
}

/**
 * How the API tells who calls. Only who serves the API needs it, so it is asked for there, and before the first request.
 * `config.invalid` when tokens are wanted and nothing says whose.
 */
export function authSettings(settings: Settings): { readonly hostChecksKey: boolean } {
  const { BLOCKFERRY_AUTH: mode, BLOCKFERRY_AUTH_TENANT: tenant, BLOCKFERRY_AUTH_AUDIENCE: audience } = settings;
  if (mode === 'entra' && (tenant === undefined || audience === undefined)) {
    throw new AppError(
      'config.invalid',
      'the API takes Entra tokens and needs BLOCKFERRY_AUTH_TENANT and BLOCKFERRY_AUTH_AUDIENCE; for a machine of your own BLOCKFERRY_AUTH=function-key',
    );
  }
  return { hostChecksKey: mode === 'function-key' };
}

/** Rules over more than one setting. */
function combinations(settings: Settings): string[] {
  const problems: string[] = [];
  const endpoints =
    settings.BLOCKFERRY_QUEUE_ENDPOINT !== undefined && settings.BLOCKFERRY_TABLE_ENDPOINT !== undefined;
  if (settings.BLOCKFERRY_STORAGE_CONNECTION === undefined && !endpoints) {
    problems.push(
      'BLOCKFERRY_STORAGE_CONNECTION: give it, or both BLOCKFERRY_QUEUE_ENDPOINT and BLOCKFERRY_TABLE_ENDPOINT',
    );
  }
  if (settings.BLOCKFERRY_KEY_FILE === undefined && settings.BLOCKFERRY_KEY_VAULT_KEY === undefined) {
    problems.push('BLOCKFERRY_KEY_FILE: give it, or BLOCKFERRY_KEY_VAULT_KEY');
  }
  if (settings.BLOCKFERRY_FLEET === 'scale-set') {
    const known = new Set(settings.BLOCKFERRY_SCALE_SETS.map(([region]) => region));
    for (const region of settings.BLOCKFERRY_REGIONS) {
      if (!known.has(region)) problems.push(`BLOCKFERRY_SCALE_SETS: no scale set for region ${region}`);
    }
  }
  if (settings.BLOCKFERRY_SERVES === 'data-proxy' && settings.BLOCKFERRY_FLEET !== 'functions') {
    problems.push('BLOCKFERRY_SERVES: an app that is a data proxy belongs to the fleet "functions"');
  }
  if (settings.BLOCKFERRY_SERVES === 'data-proxy' && settings.BLOCKFERRY_REGION === undefined) {
    problems.push('BLOCKFERRY_REGION: the region whose data proxy this app is');
  }
  if (settings.BLOCKFERRY_FLEET === 'process' && settings.BLOCKFERRY_STATE_DIRECTORY === undefined) {
    problems.push('BLOCKFERRY_STATE_DIRECTORY: needed by the fleet "process"');
  }
  if (settings.BLOCKFERRY_LOCK_DAYS !== undefined && settings.BLOCKFERRY_KEEPER_ROLE_ARN === undefined) {
    problems.push('BLOCKFERRY_KEEPER_ROLE_ARN: needed with BLOCKFERRY_LOCK_DAYS, or the locks run out');
  }
  problems.push(
    ...cloudProblems({
      azure: {
        BLOCKFERRY_ARM_ENDPOINT: settings.BLOCKFERRY_ARM_ENDPOINT,
        BLOCKFERRY_QUEUE_ENDPOINT: settings.BLOCKFERRY_QUEUE_ENDPOINT,
        BLOCKFERRY_TABLE_ENDPOINT: settings.BLOCKFERRY_TABLE_ENDPOINT,
        BLOCKFERRY_KEY_VAULT_KEY: settings.BLOCKFERRY_KEY_VAULT_KEY,
        // Only who takes tokens says whose; the default would speak against a simulated ARM.
        ...(settings.BLOCKFERRY_AUTH_TENANT === undefined
          ? {}
          : { BLOCKFERRY_AUTH_AUTHORITY: settings.BLOCKFERRY_AUTH_AUTHORITY }),
      },
      roleArns: {
        BLOCKFERRY_WRITER_ROLE_ARN: settings.BLOCKFERRY_WRITER_ROLE_ARN,
        BLOCKFERRY_READER_ROLE_ARN: settings.BLOCKFERRY_READER_ROLE_ARN,
        BLOCKFERRY_COLLECTOR_ROLE_ARN: settings.BLOCKFERRY_COLLECTOR_ROLE_ARN,
        BLOCKFERRY_KEEPER_ROLE_ARN: settings.BLOCKFERRY_KEEPER_ROLE_ARN,
        BLOCKFERRY_CATALOGUE_ROLE_ARN: settings.BLOCKFERRY_CATALOGUE_ROLE_ARN,
      },
      awsRegion: settings.AWS_REGION,
    }),
  );
  return problems;
}

/** The whole environment, for a child process that runs the same code: a data proxy of the fleet "process". */
export const processEnvironment = (): Readonly<Record<string, string | undefined>> => ({ ...process.env });
