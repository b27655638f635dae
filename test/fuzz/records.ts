// The records of all operations, in the order in which they are defined. It must be imported before anything that
// imports an operation.

import { watchRecords, type OpRecord } from '../../runtime/autograd/tape.ts';

export const RECORDS: OpRecord<never>[] = [];

watchRecords((record) => RECORDS.push(record));
await import('../../runtime/ops/index.ts');
watchRecords(null);
if (RECORDS.length === 0) throw new Error('the operations were loaded before test/fuzz/records.ts');
