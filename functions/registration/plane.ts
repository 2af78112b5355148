import { loadSettings } from '../../shared/app/config';

const { BLOCKFERRY_SERVES: serves } = loadSettings();

/**
 * Which functions this app has. One app may be everything, or the control plane alone with an app of its own as the data
 * proxy of each region: there only that region's queue is served, under an identity that can do nothing else.
 */
export function onControlPlane(register: () => void): void {
  if (serves !== 'data-proxy') register();
}

export function onDataPlane(register: () => void): void {
  if (serves !== 'control') register();
}
