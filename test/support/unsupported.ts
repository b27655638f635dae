/** A case that is beyond the engine, with the reason in a few words: counted apart from those that fail. */
export class Unsupported extends Error {}
