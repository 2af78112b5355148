/** What the handlers of all resource types share. */
import type { AccessStore } from '../disks/access-store';
import type { VolumeStore } from '../disks/volume-store';
import type { Behaviour } from '../kit/behaviour';
import type { Database } from '../kit/database';
import type { SeededRandom } from '../kit/random';
import { resourceNotFound } from './arm-error';
import { type ArmPath, resourceId } from './arm-path';
import type { Json } from './json';
import type { OperationStore } from './operation-store';
import type { Resource, ResourceState, ResourceStore } from './resource-store';

export interface ArmWorld {
  readonly database: Database;
  readonly resources: ResourceStore;
  readonly operations: OperationStore;
  readonly volumes: VolumeStore;
  readonly accesses: AccessStore;
  readonly behaviour: Behaviour;
  readonly random: SeededRandom;
  readonly now: () => number;
  /** Origin of the disks' data plane, for SAS URLs. */
  readonly dataOrigin: () => string;
  /** Called after a commit that changed the wanted number of instances. */
  readonly onScaleSetChanged: () => void;
}

export interface ArmCall {
  readonly path: ArmPath;
  readonly query: URLSearchParams;
  /** The parsed JSON body; an empty object without one. */
  readonly body: Json;
}

export interface ArmReply {
  readonly status: number;
  readonly body?: unknown;
  /** Present: the reply gets the headers of a long-running operation, which ends with this result. */
  readonly operation?: { readonly result: unknown };
}

/** Runs inside one transaction, so that a request happens wholly or not at all. */
export type ArmHandler = (world: ArmWorld, call: ArmCall) => ArmReply;

/** The resource that the path names, or a 404. */
export function requireResource(world: ArmWorld, path: ArmPath): Resource {
  const id = resourceId(path);
  const resource = world.resources.get(id);
  if (resource === undefined) throw resourceNotFound(id);
  return resource;
}

/** State of something that was just asked for: final when its operation is. */
export function newState(world: ArmWorld): ResourceState {
  const now = world.now();
  return { createdAt: now, readyAt: now + world.behaviour.lroMs };
}

export function provisioningState(world: ArmWorld, state: ResourceState): string {
  return world.now() >= state.readyAt ? 'Succeeded' : 'Creating';
}

export function isoTime(at: number): string {
  return new Date(at).toISOString();
}

export function gib(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 2 ** 30);
}
