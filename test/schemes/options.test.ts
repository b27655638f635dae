// The options of the schemes: what does not fit is refused by name before anything is built, what is left out of an
// object has its default.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorText, UsageError } from '../../runtime/errors.ts';
import { checkOptions, schemes } from '../../src/schemes/index.ts';
import { runTiny } from '../support/tiny.ts';

function refused(scheme: string, options: Record<string, unknown>, message: RegExp): void {
  let error: unknown;
  try {
    checkOptions(scheme, options);
  } catch (e) {
    error = e;
  }
  assert.instance(error, UsageError, `${scheme} ${JSON.stringify(options)}`);
  assert.match(errorText(error), message);
}

test('every option is in the help with its default, which fits, and may be left out', () => {
  for (const { name, options, help } of schemes()) {
    assert.equal(Object.keys(help), Object.keys(options), name);
    for (const [key, { usual, about }] of Object.entries(options))
      assert.is(
        help[key].startsWith(about) && help[key].endsWith(`(${JSON.stringify(usual)})`),
        true,
        `${name}.${key}`,
      );
    checkOptions(name, {});
    checkOptions(name, Object.fromEntries(Object.keys(options).map((k) => [k, undefined])));
    checkOptions(name, Object.fromEntries(Object.entries(options).map(([k, { usual }]) => [k, usual])));
  }
});

test('options of earlier versions are refused with what takes their place', () => {
  for (const [scheme, old, now] of [
    ['fixmatch', { pseudo: 'separate' }, /no option "pseudo" any more — use groups/],
    ['fixmatch', { updateOnWeak: false }, /use groups=still/],
    ['fixmatch', { scale: 'half' }, /use labelledWeight=0\.5 and weight=0\.5/],
    ['pseudoseg', { joint: true }, /use groups=joint/],
    ['cps', { joint: true }, /use groups=joint/],
    ['cps', { boxes: {} }, /use cutmix=/],
    ['cps', { cutmix: false }, /^cutmix is false.*or null/],
    ['self-training', { reliability: true }, /use reliable=0\.5/],
  ] as const)
    refused(scheme, old, now);
});

test('groups: names, lists, and what does not fit', () => {
  const fits = (scheme: string, groups: unknown): void => checkOptions(scheme, { groups });
  fits('fixmatch', 'separate');
  fits('fixmatch', [['l', 'w'], ['s']]);
  fits('fixmatch', [['l', 's']]);
  fits('pseudoseg', [{ views: ['w'], update: false }, ['l', 's']]);
  fits('cps', [['l', 'u']]);
  for (const groups of ['together', [], [['l', 'x']], [['l'], 's'], [['l', 'w']], [{ views: ['l', 's'], update: 1 }]]) {
    refused(
      'fixmatch',
      { groups },
      /^groups is .*give "joint", "separate", "still", "eval", or lists of the views l, w, s/,
    );
  }
  refused('pseudoseg', { groups: [['l', 's']] }, /w must be in one/);
});

test('what does not fit', () => {
  refused('magic', {}, /no scheme "magic".*supervised/);
  refused('supervised', { tau: 0.9 }, /the scheme supervised has no option "tau"/);
  refused('fixmatch', { tau: '0,9' }, /^tau is "0,9" — give a number of at least 0/);
  refused('fixmatch', { denominator: null }, /^denominator is null/);
  for (const cutmix of [true, false])
    refused('fixmatch', { cutmix }, new RegExp(`^cutmix is ${cutmix}.*probability, area, ratio, or null`));
  refused('fixmatch', { cutmix: { area: [1.5, 2] } }, /^cutmix\.area is \[1\.5,2\].*above 0, at most 1/);
  refused('fixmatch', { cutmix: { area: [0.4, 0.2] } }, /^cutmix\.area/);
  refused('fixmatch', { cutmix: { probabilty: 1 } }, /^cutmix has no option "probabilty".*probability/);
  for (const name of ['fixmatch', 'self-training', 'pseudoseg'])
    refused(name, { strong: 'colour' }, /^strong is "colour"/);
  refused('fixmatch', { strong: { hue: 0.1, randaugment: {} } }, /strong has no option "hue"/);
  refused(
    'fixmatch',
    { strong: { randaugment: { operatons: [1, 2] } } },
    /strong\.randaugment has no option "operatons"/,
  );
  refused('fixmatch', { strong: { ctaugment: { depth: 0 } } }, /strong\.ctaugment\.depth is 0/);
  refused('fixmatch', { strong: { hue: 0.7 } }, /strong\.hue is 0\.7 — give a number from 0 to 0\.5/);
  refused('fixmatch', { ema: 1 }, /^ema is 1.*from 0 to below 1, or null/);
  refused('fixmatch', { emaWarmup: 'yes' }, /^emaWarmup is "yes" — give true or false/);
  refused('self-training', { strong: { ctaugment: {} } }, /^strong.*CTAugment/);
  refused('self-training', { scales: [] }, /^scales/);
  refused('self-training', { teacherSteps: 1.5 }, /^teacherSteps is 1\.5 — give a whole number of at least 1/);
  refused('pseudoseg', { strong: { randaugment: {} } }, /strong has no option "randaugment"/);
  refused('pseudoseg', { weakly: { a: ['cat'] } }, /^weakly\.a is \["cat"\]/);
  refused('cps', { cutmix: { boxes: 0 } }, /^cutmix\.boxes is 0/);
  refused('cps', { ramp: 2 }, /^ramp is 2 — give a number from 0 to 1/);
  refused('cps', { weak: { longSide: { base: 300 } } }, /^weak\.longSide.*base, range/);
  refused('cps', { weak: { crop: [8, 8] } }, /^weak has no option "crop"/);
});

test('parts of a box: the rest has its default', async () => {
  for (const [scheme, options] of [
    ['fixmatch', { tau: 0.1, cutmix: { probability: 1 } }],
    ['fixmatch', { tau: 0.1, cutmix: { area: [0.1, 0.2], ratio: [1, 1] } }],
    ['self-training', { scales: [1], teacherSteps: 1, cutout: { probability: 1 } }],
    ['cps', { cutmix: { boxes: 1 } }],
    ['cps', { cutmix: { range: [0.5, 0.5] } }],
  ] as const) {
    const run = await runTiny({ scheme, steps: 2, evalEvery: 2, options });
    run.dispose();
    assert.ok(
      run.points.every((p) => Number.isFinite(p.loss)),
      JSON.stringify(options),
    );
  }
});

test.run();
