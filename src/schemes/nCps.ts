// n-CPS (Filipiak et al. 2021): cross pseudo supervision of n networks, which vote when they are evaluated.

import { Ensemble, VOTINGS } from '../nn/ensemble.ts';
import { choice, number, option } from '../options.ts';
import { buildCps, cpsOptions, cpsSmall } from './cps.ts';
import { defineScheme } from './define.ts';

/** L = sum_i CE(P_i, y) + lambda / (n - 1) sum_(i != j) CE(P_i, Y_j), Y = argmax; views as in CPS. */
export const nCps = defineScheme({
  name: 'n-cps',
  title: 'n-CPS',
  paper: 'Filipiak et al. 2021, https://arxiv.org/abs/2112.07528',
  about: 'several networks label mixed images for each other, and vote',
  options: {
    networks: option(number({ whole: true, from: 2, to: 8 }), 3, 'networks'),
    voting: option(
      choice(...VOTINGS),
      'soft',
      'evaluated: the first network, the mean of the probabilities, most votes, or at each pixel the surest network',
    ),
    ...cpsOptions,
  },
  small: cpsSmall,
  build(parts, o) {
    const { nets, ...built } = buildCps(parts, o, o.networks);
    const { voting } = o;
    return { ...built, evaluated: new Ensemble(nets, voting), ensemble: { members: nets.length, voting } };
  },
});
