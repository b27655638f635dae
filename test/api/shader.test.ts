// Kernels of the user's own: what is read from their WGSL, how they are launched and differentiated, and how mistakes
// in them are reported.

import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plan } from '../../runtime/autograd/plan.ts';
import { grad } from '../../runtime/autograd/grad.ts';
import { defineOp } from '../../runtime/autograd/tape.ts';
import { emptyLike, parameter, tensor } from '../../runtime/create.ts';
import { DisposedError, errorText, ShaderError, ShapeError } from '../../runtime/errors.ts';
import { linkFolders, reflectShader } from '../../runtime/kernel/build.ts';
import { readDeclarations } from '../../runtime/kernel/declarations.ts';
import { shader } from '../../runtime/kernel/shader.ts';
import { sum } from '../../runtime/ops/index.ts';
import { testDevice } from '../support/device.ts';

const CUBE = `
// y = a x^3, dx = 3 a x^2 dy /* not { a block */
const WG = 64;
struct Params { n: u32, /* the factor */ a: f32, shift: vec2<f32>, }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;
fn index(id: vec3u, groups: vec3u) -> u32 { return id.x + id.y * groups.x * WG; }
fn inside(i: u32) -> bool { return i < params.n; }
@compute @workgroup_size(WG) fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = index(id, groups);
  if (inside(i)) { y[i] = params.a * x[i] * x[i] * x[i] + params.shift.x + params.shift.y; }
}
@compute @workgroup_size(WG, 1, 1u) fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = index(id, groups);
  if (inside(i)) { y[i] = 3.0 * params.a * x[i] * x[i] * dy[i]; }
}`;

const cube = shader('cube', CUBE);
const op = defineOp<{ a: number }>({
  name: 'cube',
  inputs: ['x'],
  outputs: ['y'],
  forward({ x }, { a }) {
    const y = emptyLike(x);
    cube.run({ entry: 'forward', bindings: { x, y }, params: { n: x.size, a, shift: [1, 2] }, threads: x.size });
    return y;
  },
  backward: {
    x({ dy, inputs: { x }, attrs: { a } }) {
      const dx = emptyLike(x);
      cube.run({
        entry: 'backward',
        bindings: { x, dy, y: dx },
        params: { n: x.size, a, shift: [0, 0] },
        threads: x.size,
      });
      return dx;
    },
  },
});

test('an own kernel with an own gradient, eagerly and in a plan', async () => {
  const device = await testDevice();
  await cube.compile(device);
  const x = parameter(tensor(device, [1, -2, 3]));
  const { y } = op({ x }, { a: 2 });
  assert.equal([...(await y.read())], [5, -13, 57]);
  assert.equal([...(await grad(sum(y), [x])[0].read())], [6, 24, 54]);
  const pipelines = device.kernels.size;
  const step = plan(device, {}, () => ({ dx: grad(sum(op({ x }, { a: 0.5 }).y), [x])[0] }));
  step.run();
  assert.equal([...(await step.outputs.dx.read())], [1.5, 6, 13.5]);
  assert.is(device.kernels.size, pipelines);
  cube.run({
    entry: 'forward',
    constants: { WG: 32 },
    bindings: { x, y },
    params: { n: 3, a: 1, shift: [0, 0] },
    threads: 3,
  });
  assert.equal([...(await y.read())], [1, -8, 27]);
  step.dispose();
});

test('what is read agrees with the reflection of the build step, for every shader of the engine', () => {
  const folder = fileURLToPath(new URL('../../shaders', import.meta.url));
  for (const [file, code] of Object.entries(linkFolders(folder))) {
    const got = readDeclarations(file, code);
    const want = reflectShader(file, code);
    assert.equal(got.params, want.params, file);
    assert.equal(Object.keys(got.entries), Object.keys(want.entries), file);
    for (const [entry, { workgroup, bindings }] of Object.entries(want.entries)) {
      assert.equal(got.entries[entry].workgroup.map(String), workgroup.map(String), `${file} ${entry}`);
      assert.equal(
        got.entries[entry].bindings.map(({ dtype: _, ...b }) => b),
        bindings,
        `${file} ${entry}`,
      );
    }
    for (const [name, c] of Object.entries(want.constants)) assert.equal(got.constants[name], c, `${file} ${name}`);
  }
});

test('a uniform may be a number, a workgroup size a const', async () => {
  const device = await testDevice();
  const fill = shader(
    'fill',
    `
    override SIZE = 32u;
    @group(0) @binding(3) var<storage, read_write> y: array<i32>;
    @group(0) @binding(7) var<uniform> n: u32;
    @compute @workgroup_size(SIZE) fn main(@builtin(global_invocation_id) id: vec3<u32>) { if (id.x < n) { y[id.x] = i32(id.x); } }`,
  );
  const y = device.empty([5], 'i32');
  fill.run({ entry: 'main', bindings: { y }, params: { n: 5 }, threads: 5 });
  assert.equal([...(await y.read())], [0, 1, 2, 3, 4]);
});

test('the suffix of a number is not the name of a function', () => {
  const code = `
    @group(0) @binding(0) var<storage, read> x: array<u32>;
    @group(0) @binding(1) var<storage, read_write> y: array<u32>;
    fn u() -> u32 { return x[0]; }
    @compute @workgroup_size(1) fn without() { y[0] = 7u; }
    @compute @workgroup_size(1) fn through() { y[0] = u(); }`;
  const bound = (entry: string): string[] =>
    readDeclarations('suffix', code).entries[entry].bindings.map((b) => b.name);
  assert.equal([bound('without'), bound('through')], [['y'], ['x', 'y']]);
});

const binding = '@group(0) @binding(0) var<storage, read_write> y: array<f32>;';
const main = '@compute @workgroup_size(1) fn main() { y[0] = 1.0; }';
const MISTAKES: [what: string, code: string, line: number, message: RegExp][] = [
  ['no bindings', '@compute @workgroup_size(1) fn main() {}', 1, /no bindings/],
  ['no entry point', binding, 1, /no entry point/],
  ['another group', `\n@group(1) @binding(0) var<storage, read_write> y: array<f32>;\n${main}`, 2, /y is in group 1/],
  [
    'a binding twice',
    `${binding}\n@group(0) @binding(0) var<storage> x: array<f32>;\n${main}`,
    2,
    /x has the binding 0 of y/,
  ],
  [
    'a binding without a number',
    `// y\n@group(0) @binding(N) var<storage> x: array<f32>;\n${main}`,
    2,
    /x has no @binding\(number\)/,
  ],
  [
    'a struct of something else',
    `${binding}\nstruct P { m: mat2x2<f32> }\n@group(0) @binding(1) var<uniform> p: P;\n${main}`,
    2,
    /"m: mat2x2<f32>"/,
  ],
  [
    'an unknown struct',
    `${binding}\n\n@group(0) @binding(1) var<uniform> p: P;\n${main}`,
    3,
    /neither a number nor a struct/,
  ],
  [
    'two uniforms',
    `${binding}\n@group(0) @binding(1) var<uniform> p: f32;\n@group(0) @binding(2) var<uniform> q: f32;\n${main}`,
    3,
    /second uniform/,
  ],
  ['no workgroup size', `${binding}\n@compute fn main() {}`, 2, /no @workgroup_size/],
  [
    'a workgroup size that is not a constant',
    `${binding}\n@compute @workgroup_size(W) fn main() {}`,
    2,
    /workgroup size W/,
  ],
];

for (const [what, code, line, message] of MISTAKES) {
  test(`${what} is found when the shader is defined, with its line`, () => {
    assert.throws(
      () => shader('wrong', code),
      (e: unknown) =>
        e instanceof ShaderError &&
        e.line === line &&
        message.test(errorText(e)) &&
        e.message.startsWith(`wrong:${line}: `),
    );
  });
}

test('what the compiler refuses is an error with the line, and the device lives on', async () => {
  const device = await testDevice();
  const wrong = shader('wrong', `${binding}\n@compute @workgroup_size(1) fn main() {\n  y[0] = 1u;\n}`);
  const error = await wrong.compile(device).then(
    () => null,
    (e: unknown) => e,
  );
  assert.instance(error, ShaderError);
  assert.is((error as ShaderError).line, 3);
  assert.match(errorText(error), /^wrong:3: .*in: y\[0\] = 1u;$/);
  const large = shader(
    'large',
    `${binding}\nvar<workgroup> w: array<f32, 10000000>;\n@compute @workgroup_size(1) fn main() { y[0] = w[1]; }`,
  );
  assert.instance(
    await large.compile(device).then(
      () => null,
      (e: unknown) => e,
    ),
    ShaderError,
  );
  assert.equal([...(await tensor(device, [1]).read())], [1]);
});

test('a launch that does not fit is refused', async () => {
  const device = await testDevice();
  const x = tensor(device, [1, 2]);
  const y = emptyLike(x);
  const params = { n: 2, a: 1, shift: [0, 0] };
  const refused = (
    launch: Partial<Parameters<typeof cube.run>[0]>,
    message: RegExp,
    type: typeof ShaderError | typeof ShapeError | typeof DisposedError = ShaderError,
  ): void => {
    const full = { entry: 'forward', bindings: { x, y }, params, threads: 2, ...launch };
    assert.throws(
      () => cube.run(full),
      (e: unknown) => e instanceof type && message.test(errorText(e)),
    );
  };
  refused({ entry: 'sideways' }, /no entry point sideways — it has forward, backward/);
  refused({ bindings: { x } }, /the binding y is missing/);
  refused({ bindings: { x, y, z: x } }, /no binding z/);
  refused({ params: { n: 2, a: 1 } }, /the param shift is missing/);
  refused({ params: { ...params, b: 1 } }, /no param b/);
  refused({ params: { ...params, shift: 1 } }, /shift has 2 components, not 1/);
  refused({ constants: { W: 1 } }, /no constant W/);
  refused({ threads: undefined }, /how many invocations/);
  refused(
    { bindings: { x: tensor(device, [1, 2], { dtype: 'i32' }), y } },
    /x is an array of f32, the tensor \[2\] is i32/,
    ShapeError,
  );
  x.dispose();
  refused({}, /has been disposed/, DisposedError);
});

test.run();
