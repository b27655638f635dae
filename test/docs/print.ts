// Prints the table of operations as JSON, with what its test looks at: in a process of its own, as records are seen
// only while their modules are loaded.

import { openNode } from '../../runtime/node.ts';
import { markdown } from './build.ts';
import { opTable } from './table.ts';

const device = await openNode();
const { rows, records } = await opTable(device);
console.log(
  JSON.stringify({
    rows,
    records: records.map(({ record: { name, inputs }, file }) => ({ name, inputs, file })),
    text: markdown({ rows, records }),
  }),
);
device.close();
