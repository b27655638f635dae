// What each shader can be specialised on: every combination of values that the engine and the segmentation ask for.
// Booleans take both values by themselves; here are the numbers and types. testDevice() refuses a specialisation that
// is not declared, so that every test says when the list is too short, and compile.test.ts compiles all of them.

import { SHADERS } from '../../runtime/kernel/generated.ts';
import type { Constants } from '../../runtime/kernel/kernel.ts';
import {
  MATRICES,
  matrixConstants,
  REGISTERS,
  REGISTERS_GRAD,
  TEXTURE_GRADS,
  TEXTURES,
  TILES,
} from '../../runtime/ops/conv2d/variants.ts';

/** Constants that go together. */
type Choice = readonly Constants[];

const numbers = (name: string, ...values: number[]): Choice => values.map((v) => ({ [name]: v }));
const upTo = (name: string, last: number): Choice => numbers(name, ...Array.from({ length: last + 1 }, (_, i) => i));
const types = (name: string, ...values: string[]): Choice => values.map((v) => ({ [name]: v }));
const vectors = (names: Constants): Choice => [{}, names];
const words = ['f32', 'i32', 'u32'] as const;
/** What tensors hold, where the arithmetic is f32 either way. */
const halves: Choice = [{}, { Stored: 'f16' }];
const images: Choice = [
  {},
  { Stored: 'f16' },
  { Element: 'vec4<f32>', Stored: 'vec4<f32>' },
  { Element: 'vec4<f32>', Stored: 'vec4<f16>' },
];
/** What is read through textures: vectors, of f16 where tensors hold `half`. */
const texels = (half?: string): Choice => [
  {},
  { Texels: 'texture_storage_2d<rgba16float,read>', ...(half && { Stored: half }) },
];

/** Constants that no launch sets: tile sizes, types of a tree, and what a test makes small. */
export const FIXED = new Set([
  'WG',
  'Sum',
  'Part',
  'FOLD',
  'LOCAL',
  'BINS',
  'ROW',
  'CHUNK',
  'BLOCK',
  'IGNORE',
  'ROWS',
  'TAPS',
  'LOWEST',
  'NONE',
  'SCALE',
  'GREY',
  'PI',
  'LN2',
  'TWO_BY_PI',
  'SQRT_HALF',
  'TWO_BY_SQRT_PI',
  'BY_SQRT_TWO_PI',
  'K',
  'C',
  'TY',
  'COLUMNS',
  'TALL',
  'LEFT',
  'BLOCKS',
  'RIGHT',
  'SUMS',
  'FOURS',
  'FETCHED',
  'LEFT_TILE',
  'RIGHT_TILE',
  'DOWN',
  'WIDE',
  'LEFT_ROW',
  'GRAD_ROW',
  'RIGHT_ROW',
  'SUM_TILE',
  'SUM_TILES',
  'MOST_GROUPS',
  'STUCK',
  'NO_SCORES',
  'NAN_KEY',
  'BY_RANK',
  'BY_SHARE',
  'NOWHERE',
  'LEAST',
]);

const CHOICES: Record<string, readonly Choice[]> = {
  activation: [upTo('OP', 20), types('Element', 'f32', 'f16')],
  argmax: [upTo('TYPE', 2)],
  attention: [upTo('MASK', 2)],
  avgPool2d: [images],
  batchNorm: [images.map((c) => (c.Element ? { ...c, Bits: 'vec4<u32>' } : c))],
  binary: [
    upTo('OP', 24),
    [
      {},
      { Result: 'i32' },
      { Stored: 'f16', Result: 'f16' },
      { Stored: 'f16', Result: 'i32' },
      ...['i32', 'u32'].flatMap((t) =>
        [...new Set([t, 'i32'])].map((Result) => ({ Element: t, Stored: t, Result, FLOAT: false })),
      ),
    ],
    upTo('NUMBER', 2),
    [{}, { BROADCAST: true }, { BROADCAST: true, DEEP: true }],
  ],
  cast: [upTo('FROM', 3), upTo('TO', 3)],
  conv2d: [[...REGISTERS, REGISTERS_GRAD].map((v) => v.constants), halves],
  conv2dTiles: [TILES.map((v) => v.constants), halves],
  conv2dAny: [images, numbers('PX', 8), numbers('KW', 1, 3)],
  conv2dMatrix: [
    MATRICES.map((v) => v.constants),
    [
      { M: 8, N: 8, K: 8, LANES: 8 },
      { M: 16, N: 16, K: 16, LANES: 32 },
      { M: 16, N: 8, K: 16, LANES: 32 },
      { M: 16, N: 8, K: 8, LANES: 32 },
    ].map(matrixConstants),
  ],
  conv2dTexture: [TEXTURES.map((v) => v.constants), numbers('KW', 1, 3), texels('f16')],
  conv2dTranspose: [halves],
  conv2dTextureGrad: [Object.values(TEXTURE_GRADS).flatMap((vs) => vs.map((v) => v.constants)), texels()],
  cumsum: [types('Element', ...words)],
  gather: [types('Element', 'u32', 'vec4<u32>', 'f16', 'vec4<f16>'), types('Number', ...words), upTo('COMBINE', 3)],
  gridSample: [upTo('PADDING', 2)],
  groupNorm: [numbers('LANES', 1, 8, 64)],
  matmulTexture: [numbers('CB', 4), texels('vec4<f16>')],
  matmul: [types('Element', 'f32', 'f16')],
  maxPool2d: [images.map((c) => (c.Element ? { ...c, Index: 'vec4<i32>' } : c))],
  pairLoss: [upTo('KIND', 4)],
  reduce: [
    words.flatMap((In) => words.map((Out) => ({ In, Out }))),
    upTo('COMBINE', 3),
    upTo('MAP', 10),
    upTo('POST', 4),
  ],
  resizeBilinear: [images],
  resizeNearest: [
    [
      {},
      { Element: 'vec4<u32>', Gradient: 'vec4<f32>' },
      { Element: 'f16' },
      { Element: 'vec4<f16>', Gradient: 'vec4<f32>' },
    ],
  ],
  sort: [upTo('TYPE', 2)],
  spread: [upTo('KIND', 9)],
  strided: [
    numbers('AXES', 2, 4, 8),
    upTo('RULE', 4),
    [
      {},
      { Element: 'vec4<u32>' },
      { Scalar: 'f16', Element: 'f16' },
      { Scalar: 'f16', Element: 'vec4<f16>' },
      { Number: 'f16' },
    ],
  ],
  sumTo: [[{}, { BROADCAST: true }, { BROADCAST: true, DEEP: true }]],
  unary: [upTo('OP', 21), types('Element', 'f32', 'f16')],
  unfold: [vectors({ Element: 'vec4<u32>' }), vectors({ Number: 'vec4<f32>' })],
  where: [[{}, { BROADCAST: true }, { BROADCAST: true, DEEP: true }]],
};

/** Every specialisation of a shader that there may be. */
export function specialisations(shader: string): Constants[] {
  const choices = CHOICES[shader] ?? [];
  const named = new Set(choices.flatMap((c) => c.flatMap((v) => Object.keys(v))));
  const flags = Object.entries(SHADERS[shader].constants)
    .filter(([name, c]) => /^(true|false)$/.test(c.value) && !named.has(name))
    .map(([name]): Choice => [{ [name]: false }, { [name]: true }]);
  return [...choices, ...flags].reduce<Constants[]>(
    (all, choice) => all.flatMap((made) => choice.map((more) => ({ ...made, ...more }))),
    [{}],
  );
}

/** A name that two specialisations share where they make the same code: constants as they are declared are left out. */
export function canonical(shader: string, constants: Constants): string {
  const { constants: declared } = SHADERS[shader];
  const told = Object.entries(constants).filter(
    ([name, v]) => String(v) !== declared[name]?.value.replace(/^(\d+)u$/, '$1'),
  );
  return `${shader}(${told
    .map(([name, v]) => `${name}=${v}`)
    .sort()
    .join(',')})`;
}

let known: Set<string> | undefined;

/** @throws Error when the list above lacks a specialisation that a kernel is made with */
export function checkDeclared(shader: string, constants: Constants): void {
  known ??= new Set(Object.keys(SHADERS).flatMap((s) => specialisations(s).map((c) => canonical(s, c))));
  const name = canonical(shader, constants);
  if (!known.has(name)) throw new Error(`test/proof/specialisations.ts does not declare ${name}`);
}
