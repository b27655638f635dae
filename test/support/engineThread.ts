// The engine in a thread of Node: takes a gradient and sends it.

import { parentPort } from 'node:worker_threads';
import { grad } from '../../runtime/autograd/grad.ts';
import { openNode } from '../../runtime/node.ts';
import { matmul, mean, square } from '../../runtime/ops/index.ts';

const device = await openNode();
const x = device.tensor([7, 14, 21, 28, 35, 42], [3, 2]);
const w = device.tensor([0.5, -0.25], [2, 1]);
w.requiresGrad = true;
const [dw] = grad(mean(square(matmul(x, w))), [w]);
parentPort!.postMessage([...(await dw.read())]);
device.close();
