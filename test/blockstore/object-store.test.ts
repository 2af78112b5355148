/** The store in memory, on which the other tests stand, keeps the promises itself. */
import { objectStoreContract } from '../contract/object-store';
import { MemoryObjectStore } from '../helpers/memory-object-store';

objectStoreContract(async () => ({ store: new MemoryObjectStore(), prefix: 't/contract/' }));
