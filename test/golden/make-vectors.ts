/** Writes v1/vectors.json anew:  node -r ./test/cloud/aws-swc-register.js test/golden/make-vectors.ts  (see make-v1.ts) */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { goldenFolder } from './load';
import { vectors } from './vectors';

writeFileSync(path.join(goldenFolder, 'vectors.json'), `${JSON.stringify(vectors, undefined, 2)}\n`);
