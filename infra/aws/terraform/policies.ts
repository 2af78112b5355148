/**
 * The policies as files for templatefile(): JSON with `${Name}` in it. main.tf, written by hand, gives the names. A list is
 * put in by jsonencode(), for which the file is no JSON until it is filled.
 */
import {
  controlBucketPolicy,
  dataBucketPolicy,
  replicaBucketPolicy,
  replicatorPolicy,
} from '../../../shared/rights/buckets';
import { roleNames } from '../../../shared/rights/names';
import { rolePolicy, trustPolicy } from '../../../shared/rights/roles';
import { NETWORKS, placeholderNames, replicaPlaceholders, replicatorTrust, slot } from '../placeholders';

const PARTITION = slot('Partition');
const names = placeholderNames({ partition: PARTITION, account: slot('AccountId') });

/** By file name below infra/aws/terraform. */
export function terraformPolicies(): ReadonlyMap<string, string> {
  const documents = new Map<string, unknown>();
  for (const role of roleNames) {
    documents.set(`policies/${role}.json.tftpl`, rolePolicy(names, role));
    documents.set(`policies/${role}-trust.json.tftpl`, trustPolicy(names, role));
  }
  documents.set('policies/replicator.json.tftpl', replicatorPolicy(names));
  documents.set('policies/replicator-trust.json.tftpl', replicatorTrust(names.accountId));
  documents.set('policies/data-bucket.json.tftpl', dataBucketPolicy(names));
  documents.set('policies/control-bucket.json.tftpl', controlBucketPolicy(names));
  documents.set('replica/policies/replica-bucket.json.tftpl', replicaBucketPolicy(replicaPlaceholders(PARTITION)));
  return new Map([...documents].map(([file, document]) => [file, filled(document)]));
}

function filled(document: unknown): string {
  const list = new RegExp(`\\[\\s*"${NETWORKS.replace(/[${}]/g, '\\$&')}"\\s*\\]`, 'g');
  const expression = `\${jsonencode(${NETWORKS.slice(2, -1)})}`;
  return `${JSON.stringify(document, null, 2).replace(list, () => expression)}\n`;
}
