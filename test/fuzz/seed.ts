// The seed of a test run: another one each time, printed; FEWMASK_SEED repeats it.

export const seed = Number(process.env.FEWMASK_SEED ?? Math.floor(Math.random() * 2 ** 30));
console.log(`fuzz: seed ${seed} (FEWMASK_SEED=${seed} repeats it)`);
