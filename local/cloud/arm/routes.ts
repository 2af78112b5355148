/** Which request is which operation, and what answers it. */
import { beginGetAccess, endGetAccess } from './access';
import type { ArmPath } from './arm-path';
import { deleteDisk, diskView, getDisk, patchDisk, putDisk } from './disks';
import type { Json } from './json';
import type { Resource } from './resource-store';
import {
  collectionView,
  deleteCollection,
  deletePoint,
  getCollection,
  getDiskPoint,
  getPoint,
  putCollection,
  putPoint,
} from './restore-points';
import { getScaleSet, scaleSetView, updateScaleSet } from './scale-sets';
import { deleteSnapshot, getSnapshot, patchSnapshot, putSnapshot, snapshotView } from './snapshots';
import { deleteVm, expandOf, getVm, patchVm, powerHandler, putVm, vmView } from './virtual-machines';
import type { ArmHandler, ArmWorld } from './world';

export interface ArmRoutes {
  /** By method, or by `POST action` in lower case. */
  readonly handlers: Readonly<Record<string, { readonly name: string; readonly handle: ArmHandler }>>;
  /** The entry of a list; absent when the type cannot be listed. */
  readonly view?: (world: ArmWorld, resource: Resource, query: URLSearchParams) => Json;
}

const ACCESS = {
  'POST begingetaccess': { name: 'grantAccess', handle: beginGetAccess },
  'POST endgetaccess': { name: 'revokeAccess', handle: endGetAccess },
};

/** By resource type in lower case. */
export const ROUTES: Readonly<Record<string, ArmRoutes>> = {
  disks: {
    handlers: {
      GET: { name: 'get', handle: getDisk },
      PUT: { name: 'createOrUpdate', handle: putDisk },
      PATCH: { name: 'update', handle: patchDisk },
      DELETE: { name: 'delete', handle: deleteDisk },
      ...ACCESS,
    },
    view: diskView,
  },
  snapshots: {
    handlers: {
      GET: { name: 'get', handle: getSnapshot },
      PUT: { name: 'createOrUpdate', handle: putSnapshot },
      PATCH: { name: 'update', handle: patchSnapshot },
      DELETE: { name: 'delete', handle: deleteSnapshot },
      ...ACCESS,
    },
    view: snapshotView,
  },
  virtualmachines: {
    handlers: {
      GET: { name: 'get', handle: getVm },
      PUT: { name: 'createOrUpdate', handle: putVm },
      PATCH: { name: 'update', handle: patchVm },
      DELETE: { name: 'delete', handle: deleteVm },
      'POST start': { name: 'start', handle: powerHandler('running') },
      'POST restart': { name: 'restart', handle: powerHandler('running') },
      'POST poweroff': { name: 'powerOff', handle: powerHandler('stopped') },
      'POST deallocate': { name: 'deallocate', handle: powerHandler('deallocated') },
    },
    view: (world, vm, query) => vmView(world, vm, expandOf(query)),
  },
  restorepointcollections: {
    handlers: {
      GET: { name: 'get', handle: getCollection },
      PUT: { name: 'createOrUpdate', handle: putCollection },
      DELETE: { name: 'delete', handle: deleteCollection },
    },
    view: (world, collection) => collectionView(world, collection, false),
  },
  'restorepointcollections/restorepoints': {
    handlers: {
      GET: { name: 'get', handle: getPoint },
      PUT: { name: 'create', handle: putPoint },
      DELETE: { name: 'delete', handle: deletePoint },
    },
  },
  'restorepointcollections/restorepoints/diskrestorepoints': {
    handlers: { GET: { name: 'get', handle: getDiskPoint }, ...ACCESS },
    view: (_world, point) => point.body,
  },
  virtualmachinescalesets: {
    handlers: {
      GET: { name: 'get', handle: getScaleSet },
      PUT: { name: 'createOrUpdate', handle: updateScaleSet },
      PATCH: { name: 'update', handle: updateScaleSet },
    },
    view: scaleSetView,
  },
};

/** The operation's name for the log and for fault rules: `arm.snapshots.createOrUpdate`, `arm.operations.get`. */
export function operationName(path: ArmPath | undefined, method: string): string {
  if (path === undefined) return 'arm.unknown';
  if (path.types[0] === 'locations') return 'arm.operations.get';
  if (path.types.length === 0 && path.tail === undefined) return `arm.groups.${method.toLowerCase()}`;
  const type = SHORT_NAMES[path.types[path.types.length - 1] ?? ''] ?? path.types[path.types.length - 1] ?? '';
  if (path.tail === undefined)
    return `arm.${type}.${ROUTES[path.types.join('/')]?.handlers[method]?.name ?? method.toLowerCase()}`;
  if (method !== 'GET')
    return `arm.${type}.${ROUTES[path.types.join('/')]?.handlers[`${method} ${path.tail}`]?.name ?? path.tail}`;
  return `arm.${SHORT_NAMES[path.tail] ?? path.tail}.list`;
}

const SHORT_NAMES: Readonly<Record<string, string>> = {
  virtualmachines: 'virtualMachines',
  virtualmachinescalesets: 'scaleSets',
  restorepointcollections: 'restorePointCollections',
  restorepoints: 'restorePoints',
  diskrestorepoints: 'diskRestorePoints',
};
