import { recordStoreContract } from '../contract/record-store';
import { memoryRecordStore } from '../helpers/memory-record-store';

recordStoreContract(async () => memoryRecordStore());
