/** Everything below infra/aws that is made from tables, by file name. A test holds the files against this. */
import { stringify } from 'yaml';
import { replicaTemplate } from './cloudformation/replica';
import { mainTemplate } from './cloudformation/template';
import { terraformPolicies } from './terraform/policies';

const HEADER =
  '# Made from shared/rights by `npm run build && node dist/infra/aws/main.js`. Change the tables, not this file.\n';

export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['cloudformation/blockferry.yaml', yaml(mainTemplate())],
    ['cloudformation/replica.yaml', yaml(replicaTemplate())],
    ...[...terraformPolicies()].map(([file, text]) => [`terraform/${file}`, text] as const),
  ]);
}

/** Without anchors: not every reader of templates knows them. */
const yaml = (template: object): string => HEADER + stringify(template, { aliasDuplicateObjects: false, lineWidth: 0 });
