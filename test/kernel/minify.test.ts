// Minified shaders are the same shaders: what the host knows of them, and what the compiler says of them.

import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { packShaders, reflectFolders, reflectShader } from '../../runtime/kernel/build.ts';
import type { ShaderInfo } from '../../runtime/kernel/info.ts';
import { minifyShaders } from '../../runtime/kernel/minify.ts';
import { unpackShaders } from '../../runtime/kernel/packed.ts';
import { compilers } from '../support/compilers.ts';

const readable = reflectFolders(fileURLToPath(new URL('../../shaders', import.meta.url)));
const minified = unpackShaders(packShaders(readable));
const layout = ({ entries, params, constants }: ShaderInfo): unknown => ({
  entries,
  params,
  constants: Object.keys(constants),
});

test('layouts are those of the readable code, as wgsl_reflect sees both', () => {
  assert.equal(Object.keys(minified), Object.keys(readable));
  for (const [name, info] of Object.entries(readable)) {
    assert.equal(layout(minified[name]), layout(info), name);
    assert.equal(layout(reflectShader(name, minified[name].code)), layout(info), name);
  }
  assert.equal(
    layout(unpackShaders(packShaders(readable, true)).conv2d),
    layout(readable.conv2d),
    'the readable build',
  );
});

test('each compiles without a message, and an error still shows its statement', async () => {
  const compiler = await compilers();
  for (const [name, { code }] of Object.entries(minified)) {
    const { messages } = await compiler(code).createShaderModule({ code }).getCompilationInfo();
    assert.equal(
      messages.map((m) => `${name}: ${m.message}`),
      [],
    );
  }
  const lines = minified.softmax.code.split('\n');
  assert.ok(lines.every((l) => l.length < 400) && lines.length > 50);
});

const minify = (code: string, keep: readonly string[] = []): string =>
  minifyShaders([{ code, keep: new Set(keep) }])[0].replaceAll('\n', '');

test('names change where they mean one thing', () => {
  assert.is(
    minify('fn twice(value: f32) -> f32 { let sum = value + value; return sum; }'),
    'fn c(a:f32)->f32{let b=a+a;return b;}',
  );
  assert.is(
    minify('struct Pair { first: f32, second: f32, }\nfn one(pair: Pair) -> f32 { return pair.first; }'),
    'struct a{first:f32,second:f32,}fn c(b:a)->f32{return b.first;}',
  );
  // A variable that is spelt like a member, a binding, a constant or a function of the language stays.
  assert.match(minify('struct P { n: u32, }\nfn f(p: P) -> u32 { let n = p.n; return n; }'), /let n=\w\.n;return n;/);
  assert.match(
    minify('@group(0) @binding(0) var<storage, read> x: array<f32>;\nfn f() -> f32 { let x = 1.0; return x; }', ['x']),
    /let x=1.0;return x;/,
  );
  assert.match(minify('const WG = 4u;\nfn f() -> u32 { const WG = 2u; return WG; }', ['WG']), /const WG=2u;return WG;/);
  assert.match(
    minify('fn f(a: f32) -> f32 { let max = a; return max; }\nfn g(a: f32) -> f32 { return max(a, 1.0); }'),
    /let max=\w;return max;.*return max\(/,
  );
  assert.match(
    minify(
      '@group(0) @binding(0) var<storage, read> x: array<f32>;\n@compute @workgroup_size(1) fn f() { let ' +
        'read = x[0]; let compute = read; }',
      ['x', 'f'],
    ),
    /^@group\(0\)@binding\(0\)var<storage,read>x:.*@compute@workgroup_size\(1\)fn f\(\)\{let read=x\[0\];let compute=read;\}$/,
  );
  assert.match(
    minify('fn f(@builtin(local_invocation_index) workgroup_id: u32, @builtin(workgroup_id) id: vec3<u32>) { }'),
    /^fn \w\(@builtin\(local_invocation_index\)workgroup_id:u32,@builtin\(workgroup_id\)\w:vec3u\)\{\}$/,
  );
  assert.match(
    minify(
      'var<workgroup> shared_sum: array<f32, 4>;\n@compute @workgroup_size(4) fn forward() { shared_sum[0] = 1.0; }',
      ['forward'],
    ),
    /^var<workgroup>a:array<f32,4>;@compute@workgroup_size\(4\)fn forward\(\)\{a\[0\]=1\.0;\}$/,
  );
});

test('spaces stay where tokens would run together', () => {
  const body = (code: string): string => /\{(.*)\}/.exec(minify(`fn f(a: i32) -> i32 { ${code} }`, ['a', 'f']))![1];
  assert.is(body('// -- no decrement\nreturn a - -a;'), 'return a- -a;');
  assert.is(body('return a / /* a comment */ 2;'), 'return a/2;');
  assert.is(body('var v: ptr<function, i32> = &a; return 1 + +1;'), 'var b:ptr<function,i32> =&a;return 1+ +1;');
});

test('numbers beside unsigned variables need not say that they are', () => {
  const body = (code: string): string => /\{(.*)\}/.exec(minify(`fn f(a: u32) -> u32 { ${code} }`, ['a', 'f']))![1];
  assert.is(
    body('var c = 4u; c += 2u; return select(0u, (a + 1u) * 3u >> 2u, a >= 5u && a != 0xffu);'),
    'var b=4u;b+=2;return select(0u,(a+1)*3>>2,a>=5&&a!=0xffu);',
  );
  assert.is(
    body('let n: array<u32, 3u> = array<u32, 3u>(1u, 2u + 3u, -4i); return n[1u];'),
    'let b:array<u32,3u> =array<u32,3u>(1u,2u+3u,-4i);return b[1u];',
  );
});

test.run();
