/**
 * The data proxy for a bare Linux: a bundle, a start script that finds Node, a systemd unit. The scale set's cloud-init
 * unpacks it to /opt/blockferry/data-proxy; any other machine may do the same.
 */
import { chmod, cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundle, copyNative, entryText } from './bundle';
import { manifestText } from './function-app';
import { writeNotices } from './notices';
import type { PackagePlaces } from './places';

/** Keeps the young generation of V8 small: packs and frames live in shared memory, and garbage is collected early. */
const NODE_FLAGS = '--max-semi-space-size=16';

/** Bytes of the code. */
export async function stageDataProxy(places: PackagePlaces, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  const made = await bundle(places, { 'data-proxy.js': entryText(['shared/app/data-proxy-main.js']) }, folder);
  const native = await copyNative(places, folder);
  await cp(path.join(places.root, 'LICENSE'), path.join(folder, 'LICENSE'));
  await writeNotices(places, [...made.packages, ...native], path.join(folder, 'THIRD-PARTY-NOTICES.txt'));
  await writeFile(path.join(folder, 'package.json'), await manifestText(places, 'data-proxy.js', native));
  await writeFile(path.join(folder, 'blockferry-data-proxy'), START);
  await chmod(path.join(folder, 'blockferry-data-proxy'), 0o755);
  await writeFile(path.join(folder, 'blockferry-data-proxy.service'), UNIT);
  return made.bytes;
}

const START = `#!/bin/sh
# Starts a data proxy with the settings in the environment. It needs Node 22.15 or newer, 24 at best; BLOCKFERRY_NODE names one.
set -eu
node="\${BLOCKFERRY_NODE:-node}"
here="$(cd "$(dirname "$0")" && pwd)"
"$node" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 15) ? 0 : 1)' || {
  echo "blockferry-data-proxy: $node is missing or older than 22.15; set BLOCKFERRY_NODE" >&2
  exit 78
}
exec "$node" ${NODE_FLAGS} "$here/data-proxy.js"
`;

const UNIT = `[Unit]
Description=Blockferry data proxy
Wants=network-online.target
After=network-online.target

[Service]
EnvironmentFile=/etc/blockferry/data-proxy.env
ExecStart=/opt/blockferry/data-proxy/blockferry-data-proxy
# SIGTERM hands open windows over; what is not done by then is done again by another proxy.
TimeoutStopSec=60
Restart=always
RestartSec=5
# A wrong setting or a missing Node is not mended by starting again.
RestartPreventExitStatus=78
DynamicUser=yes
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
MemoryMax=90%

[Install]
WantedBy=multi-user.target
`;
