// The HTML report: its parts, what it escapes, and a look at it in a real browser.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { charts } from '../../src/report/curves.ts';
import { scriptJson } from '../../src/report/escape.ts';
import { htmlReport } from '../../src/report/html.ts';
import type { Comparison, StepPoint } from '../../src/train/records.ts';
import { chromiumPath, launchChromium } from '../support/chromium.ts';
import { bareRun, comparisonFixture } from '../support/comparison.ts';

const fixture = await comparisonFixture();
const HOSTILE = `</script><script>window.broken=1</script><img src=x onerror="window.broken=1">&"'`;

/** Many classes with long names, hostile text everywhere, pictures that are not pictures. */
function hostile(): Comparison {
  const classNames = Array.from({ length: 21 }, (_, i) => (i ? `quite-a-long-class-name-${i}` : HOSTILE));
  const point = {
    iou: classNames.map((_, i) => (i % 5 ? i / 30 : null)),
    confusion: Array.from({ length: 441 }, (_, i) => (i * 7919) % 1000),
  };
  const picture = {
    id: HOSTILE,
    width: 4,
    height: 3,
    layers: {
      image: 'https://example.com/x.png',
      truth: `data:image/png;base64,"><b>`,
      prediction: undefined,
      pseudo: undefined,
      confidence: undefined,
      cam: undefined,
    },
  };
  const more = {
    classNames,
    warnings: [HOSTILE],
    config: { [HOSTILE]: HOSTILE, path: '/a/very/long/path/'.repeat(12) },
    pictures: [picture],
    steps: [{ step: 1, loss: 1, terms: { [HOSTILE]: 1 }, lr: 0.1 }],
  };
  const runs = [HOSTILE, 'supervised', ...Array.from({ length: 7 }, (_, i) => `a-scheme-with-a-long-name-${i}`)].map(
    (scheme) => bareRun(scheme, 0, [point], undefined, more),
  );
  return {
    title: HOSTILE,
    command: HOSTILE.repeat(4),
    date: HOSTILE,
    adapter: HOSTILE,
    dataset: 'x'.repeat(300),
    runs,
  };
}

test('curves: mean and deviation over seeds on a common axis; long runs in bins', () => {
  const steps = (n: number, offset: number): StepPoint[] =>
    Array.from({ length: n }, (_, i) => ({
      step: i + 1,
      loss: i + offset,
      terms: {},
      lr: 1,
      ...(i === 1 ? { accepted: 0.5 } : {}),
    }));
  const of = (n: number) =>
    charts({
      ...fixture,
      runs: [
        bareRun('cps', 0, [], [], { steps: steps(n, 0) }),
        bareRun('cps', 1, [], [], { steps: steps(n, 2) }),
        bareRun('supervised', 0, [], [], { steps: steps(n, 5) }),
      ],
    });
  const [loss, accepted] = of(3);
  assert.equal([loss.id, accepted.id, loss.measures[0].x], ['loss', 'accepted', [1, 2, 3]]);
  const [cps, supervised] = loss.measures[0].curves;
  assert.equal(
    [cps.mean, supervised.mean],
    [
      [1, 2, 3],
      [5, 6, 7],
    ],
  );
  assert.equal(
    cps.high.map((v) => v!.toFixed(4)),
    [1, 2, 3].map((v) => (v + Math.SQRT2).toFixed(4)),
  );
  assert.equal(supervised.low, [null, null, null]);
  assert.equal(accepted.measures[0].curves[0].mean, [0.5]);
  const [long] = of(300);
  assert.equal([long.measures[0].x.length, long.measures[0].x.at(-1)], [150, 300]);
  assert.is(long.measures[0].curves[1].mean[0], 5.5);
});

test('all parts are in one file that asks for no other', () => {
  const html = htmlReport(fixture);
  for (const id of ['results', 'classes', 'curves', 'pseudo', 'pictures', 'confusion', 'settings'])
    assert.ok(html.includes(`<section id="${id}">`), id);
  for (const text of [
    fixture.title,
    fixture.adapter,
    fixture.date,
    fixture.command,
    '1 warning',
    'network.width',
    'sample standard deviation',
    'absent class counting as zero',
    'Leon Sorokin',
  ])
    assert.ok(html.includes(text), text);
  assert.is(html.match(/class="panel confusion"/g)!.length, 5);
  assert.is(html.match(/<img /g)!.length, 4 * (2 + 5 * 4 - 1), 'supervised has no pseudo-labels');
  assert.not.match(html, /(src|href)="(?!data:|#)/);
  assert.not.match(html, /url\((?!["']?data:)|@import/);
});

test('what is missing is left out', () => {
  const html = htmlReport({ ...fixture, runs: [bareRun('cps', 0, [{}])] });
  for (const id of ['curves', 'pseudo', 'pictures']) assert.not.ok(html.includes(`<section id="${id}">`), id);
});

test('text is escaped; JSON cannot end its script', () => {
  const html = htmlReport(hostile());
  assert.not.match(html, /<script>window|<img src=x|example\.com|base64,["&]/);
  assert.is(html.match(/<\/script>/g)!.length, 2);
  assert.equal(JSON.parse(scriptJson({ a: '</script><!-- \u2028' })), { a: '</script><!-- \u2028' });
  assert.not.match(scriptJson('</script><!-- \u2028'), /[<>\u2028]/);
});

const chromium = chromiumPath();
if (!chromium)
  console.log('skipped: the report in a browser: no Chromium (apt-get install chromium, or FEWMASK_CHROMIUM)');
else {
  const folder = mkdtempSync(join(tmpdir(), 'fewmask-report-'));
  let browser: Browser;
  test.before(async () => {
    browser = await launchChromium(chromium);
  });
  test.after(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(
    comparison: Comparison,
    width: number,
    colorScheme: 'light' | 'dark',
    complaints: string[],
  ): Promise<Page> {
    const file = join(folder, 'report.html');
    writeFileSync(file, htmlReport(comparison));
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    page.on('console', (m) => complaints.push(m.text()));
    page.on('pageerror', (e) => complaints.push(e.message));
    page.on('request', (r) => /^(file|data):/.test(r.url()) || complaints.push(r.url()));
    await page.goto(pathToFileURL(file).href);
    return page;
  }

  for (const [name, make] of [
    ['fixture', () => fixture],
    ['hostile', hostile],
  ] as const) {
    test(`in a browser (${name}): wide and narrow, light and dark, nothing overflows, nothing complains`, async () => {
      const complaints: string[] = [];
      const shots = new Set<string>();
      for (const colorScheme of ['light', 'dark'] as const)
        for (const width of [1280, 390]) {
          const page = await open(make(), width, colorScheme, complaints);
          assert.is(await page.evaluate(() => document.documentElement.scrollWidth), width, `${name} at ${width}`);
          assert.is(await page.evaluate(() => (window as unknown as { broken?: number }).broken), undefined);
          shots.add((await page.screenshot()).toString('base64'));
          await page.close();
        }
      assert.is(shots.size, 4, 'four different pictures');
      assert.equal(complaints, []);
    });
  }

  test('in a browser: charts are drawn, tables sort, schemes hide, layers switch, pictures enlarge', async () => {
    const complaints: string[] = [];
    const page = await open(fixture, 1280, 'light', complaints);
    // Painted pixels of every chart, counted on a copy: reading the chart itself makes the browser complain.
    const inked = () =>
      page.evaluate(() =>
        [...document.querySelectorAll('canvas')].map((c) => {
          const copy = new OffscreenCanvas(c.width, c.height).getContext('2d', { willReadFrequently: true })!;
          copy.drawImage(c, 0, 0);
          return copy.getImageData(0, 0, c.width, c.height).data.reduce((n, v, i) => n + (i % 4 === 3 && v ? 1 : 0), 0);
        }),
      );
    const before = await inked();
    assert.ok(before.length === 4 && before.every((n) => n > 3000), `${before}`);
    await page.click('.legend [data-scheme="cps"]');
    const after = await inked();
    assert.ok(after[0] < before[0] && after[3] < before[3], `${before} ${after}`);

    await page.hover('figure[data-chart="miou"] .u-over', { position: { x: 200, y: 80 } });
    assert.match(await page.innerText('figure[data-chart="miou"] .tip'), /^step \d+[^]*FixMatch\s*\d+\.\d ± /);

    const first = () => page.innerText('#results tbody tr:first-child th');
    assert.is(await first(), 'Supervised');
    await page.click('#results [data-sort="2"]');
    assert.is(await first(), 'CPS');
    await page.click('#results [data-sort="2"]');
    assert.is(await first(), 'Supervised');

    const visible = (layer: string) => page.locator(`.shots button[data-layer="${layer}"]:visible`).count();
    assert.equal([await visible('prediction'), await visible('cam'), await visible('truth')], [20, 0, 4]);
    await page.click('label[for="layer-cam"]');
    assert.equal([await visible('prediction'), await visible('cam'), await visible('truth')], [0, 20, 4]);

    await page.click('.shots[data-id="val-1"] button[data-column="fixmatch"]:visible');
    assert.equal(
      [await page.innerText('dialog h3'), await page.locator('dialog .frame').count()],
      ['val-1 · FixMatch', 6],
    );
    const box = (await page.locator('dialog .frame').first().boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + 8);
    await page.mouse.wheel(0, -300);
    await page.mouse.move(box.x + box.width / 2 + 2, box.y + 8);
    await page.waitForFunction(() =>
      [...document.querySelectorAll<HTMLElement>('dialog img')].every((i) => /scale\([2-9.]/.test(i.style.transform)),
    );
    assert.match(
      await page.innerText('dialog figure:nth-child(2) figcaption'),
      /^Truth: (ground|striped|checked|spotted|shaded)$/,
    );
    await page.keyboard.press('ArrowRight');
    assert.match(await page.innerText('dialog h3'), /^val-2/);
    await page.keyboard.press('Escape');
    assert.is(await page.locator('dialog[open]').count(), 0);
    assert.equal(complaints, []);
    await page.close();
  });
}

test.run();
