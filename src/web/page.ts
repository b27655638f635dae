// The page: settings and buttons, figures, curves, the picture. All work is the worker's; this draws what it reports.

import type { EvalPoint } from '../train/records.ts';
import { bytes, duration, number } from '../report/format.ts';
import { LiveChart, Smooth } from './charts.ts';
import { element, enabled, readSettings, showNetworks, showSchemes, useSmallSettings } from './form.ts';
import { LayerStack, paint, type Picture } from './layers.ts';
import type { Example, Failure, FromWorker, Pulse, SchemeInfo, ToWorker } from './protocol.ts';

type State = 'opening' | 'ready' | 'running' | 'pausing' | 'paused' | 'stopping' | 'broken';

/** The schemes by name. */
const schemes = new Map<string, SchemeInfo>();
const form = element<HTMLFormElement>('form');
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
const send = (message: ToWorker): void => worker.postMessage(message);

const charts = {
  loss: new LiveChart(element('loss'), {
    share: false,
    lines: [
      { name: 'step', colour: '--accent', faint: true },
      { name: 'smoothed', colour: '--accent' },
    ],
  }),
  miou: new LiveChart(element('miou'), { share: true, lines: [{ name: 'mIoU', colour: '--s4', marks: true }] }),
  pseudo: new LiveChart(element('pseudo'), {
    share: true,
    lines: [
      { name: 'accepted', colour: '--s2' },
      { name: 'right', colour: '--s1' },
    ],
  }),
};
const stack = new LayerStack(element('stage'), element('layers'), element('readout'));

let state: State = 'opening';
let run = 0;
let examples: readonly Example[] = [];
let palette = new Uint8Array(768);
let chosen = '';
let smooth = new Smooth();
let best = 0;
/** Steps and working seconds of the last while: the rate. */
let recent: { done: number; seconds: number }[] = [];

// --- state ----------------------------------------------------------------------------------------------------------

const WORDS: Record<State, string> = {
  opening: '',
  ready: '',
  running: 'Training',
  pausing: 'Pausing after this step…',
  paused: 'Paused',
  stopping: 'Stopping after this step…',
  broken: '',
};

/** @param words what the line below the buttons says */
function enter(next: State, words = WORDS[next]): void {
  state = next;
  const busy = ['running', 'pausing', 'paused', 'stopping'].includes(state);
  element<HTMLFieldSetElement>('settings').disabled = busy;
  enabled('start', state === 'ready');
  enabled('pause', state === 'running' || state === 'paused');
  enabled('stop', state === 'running' || state === 'pausing' || state === 'paused');
  element('pause').textContent = state === 'paused' ? 'Resume' : 'Pause';
  element('bar').classList.toggle('paused', state === 'paused');
  element('state').textContent = words;
}

function fail({ message, hint }: Failure, open: boolean): void {
  const box = element('failure');
  box.querySelector('h2')!.textContent = message.charAt(0).toUpperCase() + message.slice(1);
  box.querySelector('p')!.textContent = hint ? `What to do: ${hint}.` : '';
  element('retry').hidden = open;
  box.hidden = false;
}

function adapter(text: string, kind: 'ready' | 'software' | 'failed' | 'opening', title = ''): void {
  const badge = element('adapter');
  badge.className = `adapter ${kind}`;
  badge.title = title;
  badge.querySelector('.text')!.textContent = text;
}

// --- figures --------------------------------------------------------------------------------------------------------

function fact(name: string, value: string, small = ''): void {
  const place = document.querySelector<HTMLElement>(`[data-fact='${name}']`)!;
  place.textContent = value;
  if (!small) return;
  const part = document.createElement('small');
  part.textContent = ` ${small}`;
  place.append(part);
}

/** Clears figures and curves for a run. @param steps of the run */
function clear(steps: number): void {
  for (const name of ['stage', 'rate', 'eta', 'miou', 'accepted', 'memory', 'parameters']) fact(name, '–');
  for (const chart of Object.values(charts)) chart.clear(steps);
  smooth = new Smooth();
  best = 0;
  recent = [];
  element('warnings').replaceChildren();
  element('warnings').hidden = true;
  element('failure').hidden = true;
}

function showPulse({ done, total, stage, seconds, memory }: Pulse): void {
  recent.push({ done, seconds });
  // The first steps compile: a window that moves forgets them.
  while (recent.length > 2 && seconds - recent[0].seconds > 15 && recent.length > 8) recent.shift();
  const rate = recent.length > 1 ? (done - recent[0].done) / (seconds - recent[0].seconds) : 0;
  const percent = Math.floor((100 * done) / total);
  fact('step', String(done), `of ${total}`);
  fact('stage', stage);
  fact('rate', rate ? number(rate) : '–');
  fact('eta', done === total ? 'done' : rate ? duration((total - done) / rate) : '–');
  fact('memory', bytes(memory));
  element('bar').ariaValueNow = String(percent);
  element('bar').querySelector('i')!.style.width = `${(100 * done) / total}%`;
  document.title = done < total ? `${percent} % · fewmask` : 'fewmask';
}

// --- picture --------------------------------------------------------------------------------------------------------

function showExamples(): void {
  const counts: Record<string, number> = {};
  element('examples').replaceChildren(
    ...examples.map((example) => {
      const button = document.createElement('button');
      const canvas = document.createElement('canvas');
      const text = document.createElement('span');
      button.type = 'button';
      button.dataset.id = example.id;
      paint(canvas, 'image', example, palette);
      counts[example.split] = (counts[example.split] ?? 0) + 1;
      text.textContent = `${example.split === 'val' ? 'validation' : example.split} ${counts[example.split]}`;
      button.append(canvas, text);
      button.addEventListener('click', () => choose(example.id));
      return button;
    }),
  );
  choose(examples.some((e) => e.id === chosen) ? chosen : examples[0].id);
}

function choose(id: string): void {
  chosen = id;
  for (const button of document.querySelectorAll<HTMLButtonElement>('#examples button'))
    button.ariaPressed = String(button.dataset.id === id);
  showPicture(examples.find((e) => e.id === id)!);
  send({ kind: 'look', id });
}

/** @param step the state of the networks that made it; absent for an image without anything made of it */
function showPicture(picture: Picture, step?: number): void {
  stack.show(picture);
  element('seen').textContent = step === undefined ? '' : `at step ${step}`;
}

function showClasses(classNames: readonly string[]): void {
  stack.setClasses(classNames, palette);
  element('classes').replaceChildren(
    ...classNames.map((name, c) => {
      const item = document.createElement('li');
      const swatch = document.createElement('span');
      swatch.className = 'swatch';
      swatch.style.background = `rgb(${palette.slice(3 * c, 3 * c + 3).join(' ')})`;
      item.append(swatch, name);
      return item;
    }),
  );
}

// --- messages -------------------------------------------------------------------------------------------------------

worker.onmessage = ({ data: m }: MessageEvent<FromWorker>) => {
  // What an earlier run had still to say.
  if ('run' in m && m.run !== null && m.run !== run) return;
  switch (m.kind) {
    case 'choices':
      for (const s of m.schemes) schemes.set(s.name, s);
      showSchemes(form, m.schemes, m.first.scheme);
      showNetworks(form, m.networks, m.first.network);
      return send({ kind: 'browse', settings: readSettings(form) });
    case 'opened':
      adapter(
        m.adapter + (m.software ? ' (software: slow)' : ''),
        m.software ? 'software' : 'ready',
        `${m.how}${m.f16 ? '; f16' : ''}`,
      );
      if (m.software && run === 0 && useSmallSettings(form)) {
        send({ kind: 'browse', settings: readSettings(form) });
        return enter('ready', 'No GPU here: small settings are chosen.');
      }
      return enter('ready', run > 0 ? 'The GPU is open again.' : '');
    case 'examples':
      examples = m.examples;
      palette = Uint8Array.from(m.palette);
      showClasses(m.classNames);
      return showExamples();
    case 'started':
      fact('parameters', m.parameters.toLocaleString('en'));
      fact('step', '0', `of ${m.steps}`);
      return enter('running', 'Compiling kernels…');
    case 'steps':
      for (const { step, loss, accepted, pseudoAccuracy } of m.points) {
        charts.loss.add(step, [loss, smooth.next(loss)]);
        if (accepted === undefined) continue;
        charts.pseudo.add(step, [accepted, pseudoAccuracy ?? null]);
        fact('accepted', `${(100 * accepted).toFixed(1)} %`);
      }
      showPulse(m.pulse);
      if (state === 'running') element('state').textContent = WORDS.running;
      return;
    case 'eval':
      best = Math.max(best, m.point.miou);
      charts.miou.add(m.point.step, [m.point.miou]);
      fact('miou', `${(100 * best).toFixed(1)} %`);
      return showPulse(m.pulse);
    case 'preview':
      if (m.preview.id === chosen) showPicture(m.preview, m.step);
      return;
    case 'warning': {
      const item = document.createElement('li');
      item.textContent = m.message;
      element('warnings').append(item);
      element('warnings').hidden = false;
      return;
    }
    case 'paused':
      if (state !== 'stopping') enter(m.paused ? 'paused' : 'running');
      return;
    case 'finished': {
      const miou = (points: readonly EvalPoint[]): string =>
        `${(100 * (points.find((e) => e.split === 'val')?.miou ?? 0)).toFixed(1)} %`;
      document.title = 'fewmask';
      return enter(
        'ready',
        m.interrupted
          ? `Stopped after ${duration(m.seconds)}.`
          : `Done in ${duration(m.seconds)}: ${miou(m.last)} mIoU at the end, ${miou(m.best)} at best.`,
      );
    }
    case 'failed':
      if (m.run === null) {
        adapter('no GPU', 'failed');
        enter('broken');
      } else if (m.failure.code === 'device-lost') {
        enter('opening', 'Opening the GPU again…');
        send({ kind: 'open' });
      } else enter('ready', 'The run failed.');
      fail(m.failure, m.run !== null);
  }
};

worker.onerror = (event) => {
  fail(
    {
      code: 'unexpected',
      message: `the worker failed: ${event.message || 'it could not be loaded'}`,
      hint: 'reload the page',
    },
    true,
  );
  enter('broken');
};

// --- buttons --------------------------------------------------------------------------------------------------------

form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (state !== 'ready' || !form.reportValidity()) return;
  const settings = readSettings(form);
  run++;
  clear(settings.steps);
  element('pseudo').hidden = !schemes.get(settings.scheme)?.labels;
  enter('running', `Preparing ${schemes.get(settings.scheme)?.title ?? settings.scheme}…`);
  choose(chosen);
  send({ kind: 'start', run, settings, image: chosen });
});

// A field that is folded away cannot say what is wrong with it.
form.addEventListener(
  'invalid',
  (event) => (event.target as HTMLElement).closest('details')?.setAttribute('open', ''),
  true,
);

form.addEventListener('change', (event) => {
  // Other sizes and numbers are other images: what was made of the earlier ones goes.
  const name = (event.target as HTMLInputElement).name;
  if (!['labelled', 'unlabelled', 'size'].includes(name) || !form.checkValidity()) return;
  run++;
  send({ kind: 'browse', settings: readSettings(form) });
});

element('pause').addEventListener('click', () => {
  const resume = state === 'paused';
  enter(resume ? 'running' : 'pausing');
  send({ kind: resume ? 'resume' : 'pause' });
});

element('stop').addEventListener('click', () => {
  enter('stopping');
  send({ kind: 'stop' });
});

element('retry').addEventListener('click', () => {
  element('failure').hidden = true;
  adapter('opening the GPU…', 'opening');
  send({ kind: 'open' });
});

enter('opening');
send({ kind: 'open' });
