// The summary on numbers worked out by hand, and its tables.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { countConfusion, scores } from '../../src/metrics/miou.ts';
import { bytes, duration, number, points, spread } from '../../src/report/format.ts';
import { stat, summarise } from '../../src/report/summary.ts';
import { jsonReport, markdownReport, textReport } from '../../src/report/text.ts';
import type { Comparison, RunRecord } from '../../src/train/records.ts';
import { bareRun, comparisonFixture } from '../support/comparison.ts';

const compare = (...runs: RunRecord[]): Comparison => ({
  title: 'Title',
  command: 'fewmask compare',
  date: 'today',
  adapter: 'none',
  dataset: 'data',
  runs,
});
const near = (a: number | null | undefined, b: number): void => assert.ok(Math.abs(a! - b) < 1e-9, `${a} is not ${b}`);

test('mean, sample deviation; one value has none', () => {
  near(stat([1, 2, 6])!.mean, 3);
  near(stat([1, 2, 6])!.std, Math.sqrt((4 + 1 + 9) / 2));
  assert.equal(stat([4, null, NaN, undefined]), { mean: 4, std: null, values: [4] });
  assert.is(stat([]), null);
});

test('per scheme over seeds: scores, gain by seed, cost', () => {
  const runs = [
    bareRun('supervised', 0, [{ miou: 0.4 }]),
    bareRun('supervised', 1, [{ miou: 0.5 }]),
    bareRun('cps', 0, [{ miou: 0.5, miouAbsentZero: 0.25, iou: [0.5, null], confusion: [3, 1, 0, 0] }], undefined, {
      peakGpuBytes: 5,
    }),
    bareRun('cps', 1, [{ miou: 0.52, miouAbsentZero: 0.3, iou: [0.6, 0.2], confusion: [1, 1, 1, 2] }], undefined, {
      peakGpuBytes: 9,
      secondsPerStep: 3,
    }),
  ];
  const {
    schemes: [base, cps],
    split,
    headline,
    seconds,
  } = summarise(compare(...runs));
  assert.equal([split, headline, seconds], ['val', 'last', 240]);
  near(cps.last.miou!.mean, 0.51);
  near(cps.last.miou!.std, 0.02 / Math.SQRT2);
  near(cps.last.miouAbsentZero!.mean, 0.275);
  assert.equal(cps.last.iou, [stat([0.5, 0.6]), stat([0.2])]);
  assert.equal(cps.last.confusion, [4, 2, 1, 2]);
  near(cps.gain!.last!.mean, 6);
  near(cps.gain!.last!.std, 8 / Math.SQRT2);
  assert.is(base.gain, null);
  assert.equal([cps.peakGpuBytes, cps.secondsPerStep!.mean], [9, 2]);
});

test('a seed that one of them lacks does not count in the gain', () => {
  const [, cps, fixmatch] = summarise(
    compare(
      bareRun('supervised', 0, [{ miou: 0.4 }]),
      bareRun('supervised', 1, [{ miou: 0.2 }]),
      bareRun('cps', 0, [{ miou: 0.5 }]),
      bareRun('fixmatch', 0, [{ miou: 0.3 }]),
      bareRun('fixmatch', 7, [{ miou: 0.9 }]),
    ),
  ).schemes;
  near(cps.gain!.last!.mean, 10);
  near(fixmatch.gain!.last!.mean, -10);
});

test('other seeds than the supervised runs: a difference of means, without a spread', () => {
  const [, cps] = summarise(
    compare(
      bareRun('supervised', 0, [{ miou: 0.4 }]),
      bareRun('cps', 1, [{ miou: 0.5 }]),
      bareRun('cps', 2, [{ miou: 0.7 }]),
    ),
  ).schemes;
  near(cps.gain!.last!.mean, 20);
  assert.is(cps.gain!.last!.std, null);
  assert.is(summarise(compare(bareRun('cps', 1, [{ miou: 0.5 }]))).schemes[0].gain, null);
});

test('with a test split val chooses and test is quoted', () => {
  const last = [
    { split: 'val', step: 30, miou: 0.6 },
    { split: 'test', step: 30, miou: 0.3 },
  ] as const;
  const best = [
    { split: 'val', step: 20, miou: 0.7 },
    { split: 'test', step: 20, miou: 0.55 },
  ] as const;
  const {
    split,
    headline,
    schemes: [s],
  } = summarise(compare(bareRun('supervised', 0, [...last], [...best])));
  assert.equal(
    [split, headline, s.last.miou!.mean, s.best.miou!.mean, s.best.steps],
    ['test', 'best', 0.3, 0.55, [20]],
  );
});

test('without val nothing chooses: the end of training is quoted, and nothing is called the best', () => {
  const comparison = compare(
    bareRun('supervised', 0, [{ split: 'test', miou: 0.4 }]),
    bareRun('cps', 0, [{ split: 'test', miou: 0.5 }]),
  );
  const {
    headline,
    schemes: [, cps],
  } = summarise(comparison);
  assert.equal([headline, cps.last.miou!.mean, cps.best.miou, cps.gain!.best], ['last', 0.5, null, null]);
  near(cps.gain!.last!.mean, 10);
  assert.match(textReport(comparison), /there are no val images to choose a best step by/);
  assert.match(textReport(comparison), /^CPS +50\.00 +– /m);
});

test('the worked example in both treatments of the absent class', () => {
  const vector = { step: 1, ...scores(countConfusion([0, 0, 1, 1, 2, 255, 1, 0], [0, 1, 1, 1, 0, 2, 1, 0], 4), 4) };
  const text = textReport(compare(bareRun('supervised', 0, [vector], undefined, { classNames: ['a', 'b', 'c', 'd'] })));
  assert.match(text, /^Supervised +41\.67 +41\.67 +31\.25 +71\.4$/m);
  assert.match(text, /^a +50\.0\n *b +75\.0\n *c +0\.0\n *d +–\n *mean +41\.7$/m);
  assert.match(text, /mIoU is the nan-mean.*absent=0 averages over all/);
  assert.not.match(text, /±/);
});

test('what cannot be compared is refused', () => {
  assert.throws(() => summarise(compare()), /no runs/);
  assert.throws(
    () => summarise(compare(bareRun('cps', 0, []), bareRun('cps', 1, [], [], { classNames: ['x', 'y'] }))),
    /different classes/,
  );
  assert.throws(() => summarise(compare(bareRun('cps', 0, [{ confusion: [1] }]))), /1 counts for 2 classes/);
});

test('a run without evaluations is a dash, not a zero', () => {
  assert.match(textReport(compare(bareRun('cps', 0, []))), /^CPS +– +– +– +–$/m);
});

test('numbers in print', () => {
  assert.equal(
    [number(0.01234), number(12.34), number(1234), number(0), number(NaN), number(-0.5)],
    ['0.0123', '12.3', '1234', '0', '–', '−0.500'],
  );
  assert.equal([bytes(188 * 2 ** 20), bytes(3 * 2 ** 30)], ['188 MiB', '3.00 GiB']);
  assert.equal([duration(41), duration(125), duration(11100)], ['41.0 s', '2 min', '3 h 05 min']);
  assert.equal(
    [
      spread({ mean: 0.5, std: 0.01, values: [] }, 1, 100),
      points({ mean: -1.5, std: null, values: [] }),
      points({ mean: 2, std: 1, values: [] }),
    ],
    ['50.0 ± 1.0', '−1.50', '+2.00 ± 1.00'],
  );
});

test('five schemes on three seeds fit 100 columns; so do thirty classes of long names and twelve schemes', async () => {
  const fixture = await comparisonFixture();
  const lines = textReport(fixture).split('\n');
  assert.ok(
    lines.every((l) => [...l].length <= 100),
    lines.find((l) => [...l].length > 100),
  );
  assert.is(lines.filter((l) => /^(Supervised|Self-training|FixMatch|PseudoSeg|CPS) .*MiB/.test(l)).length, 5);
  assert.ok(lines.some((l) => /^scheme +mIoU last +mIoU best +gain \(best\) +absent=0 \(best\) +pixel acc$/.test(l)));
  assert.ok(lines.some((l) => /^CPS +\d\d\.\d\d ± \d\.\d\d +\d\d\.\d\d ± \d\.\d\d +\+\d+\.\d\d ± /.test(l)));
  assert.ok(
    lines.some((l) => l.startsWith('- PseudoSeg, seed 0, 1, 2: no pixel of class "shaded"')),
    'equal warnings once',
  );
  const classNames = Array.from({ length: 30 }, (_, i) => `a class with quite a long name ${i}\u001b[31m`);
  const point = { iou: classNames.map(() => 0.123), confusion: new Array(900).fill(1) };
  const many = Array.from({ length: 12 }, (_, i) =>
    bareRun(`scheme-of-some-length-${i}`, 0, [point], undefined, { classNames }),
  );
  const wide = textReport(compare(...many));
  assert.ok(wide.split('\n').every((l) => [...l].length <= 100));
  assert.not.match(wide, /\u001b/);
  assert.is(wide.match(/^mean /gm)!.length, 4, 'columns continue below');
});

test('markdown and JSON', async () => {
  const fixture = await comparisonFixture();
  const markdown = markdownReport({ ...fixture, title: 'a|b <script>', command: 'x `y`' });
  assert.match(markdown, /^a\\\|b \\<script\\>: /);
  assert.match(markdown, /\n`` x `y` ``\n/);
  assert.match(markdown, /\n\| scheme \| mIoU last \|.*\n\| --- \| ---: \|/);
  assert.is(markdown.match(/^\| CPS \|/gm)!.length, 2);
  const json = JSON.parse(jsonReport(fixture));
  assert.equal([json.schemes.length, json.split, json.headline, json.schemes[4].seeds], [5, 'test', 'best', [0, 1, 2]]);
  near(json.schemes[4].best.miou.mean, summarise(fixture).schemes[4].best.miou!.mean);
});

test.run();
