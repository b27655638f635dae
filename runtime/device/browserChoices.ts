// Where a browser keeps what was tuned: in IndexedDB, by adapter.

import type { Choices } from '../kernel/tune.ts';

function store<R>(mode: IDBTransactionMode, use: (s: IDBObjectStore) => IDBRequest<R>): Promise<R> {
  return new Promise((resolve, reject) => {
    const open = indexedDB.open('fewmask-tuning', 1);
    open.onupgradeneeded = () => void open.result.createObjectStore('adapters');
    open.onerror = () => reject(open.error);
    open.onsuccess = () => {
      const request = use(open.result.transaction('adapters', mode).objectStore('adapters'));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
      request.transaction!.oncomplete = () => open.result.close();
    };
  });
}

/** What is known of an adapter. Where nothing may be kept (private windows), nothing is: the heuristics decide. */
export async function readChoices(adapter: string): Promise<Choices> {
  try {
    return (await store<Choices | undefined>('readonly', (s) => s.get(adapter))) ?? {};
  } catch {
    return {};
  }
}

export async function writeChoices(adapter: string, choices: Choices): Promise<void> {
  await store('readwrite', (s) => s.put(choices, adapter)).catch(() => undefined);
}
