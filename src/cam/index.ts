// Class activation maps.

export * from './cam.ts';
export * from './gradCam.ts';
export * from './layers.ts';
