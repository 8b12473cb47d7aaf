import { sleep } from "../lib/sleep.ts";
import { orAbort } from "./or-abort.ts";

/** Something started for a space that can be ended. */
export interface Started {
  isAlive(): boolean;
  close(): Promise<void>;
}

export interface SpacePool<T extends Started> {
  /** Runs `use` with the space's process, started where it is missing; waits while all places are taken. */
  with<R>(space: string, signal: AbortSignal, use: (started: T) => Promise<R>): Promise<R>;
  /** Ends all. Nothing can be started afterwards. */
  stop(): Promise<void>;
}

interface PoolOptions<T extends Started> {
  /** The signal is aborted when all is to end. */
  readonly start: (space: string, signal: AbortSignal) => Promise<T>;
  readonly idleMs: number;
  readonly maxStarted: number;
}

interface Place<T> {
  readonly started: Promise<T>;
  users: number;
  idleSince: number;
  timer: NodeJS.Timeout | undefined;
}

const retryMs = 50;

/** At most one process for each space and `maxStarted` in all; the longest idle one makes room for another. */
export function createSpacePool<T extends Started>(options: PoolOptions<T>): SpacePool<T> {
  const places = new Map<string, Place<T>>();
  const closing = new Set<Promise<void>>();
  const stopping = new AbortController();

  const close = (space: string): void => {
    const place = places.get(space);
    if (place === undefined) return;
    clearTimeout(place.timer);
    places.delete(space);
    const closed = place.started.then(
      (started) => started.close(),
      () => undefined,
    );
    closing.add(closed);
    void closed.catch(() => undefined).finally(() => closing.delete(closed));
  };

  const makeRoom = async (signal: AbortSignal): Promise<void> => {
    while (places.size + closing.size >= options.maxStarted) {
      const idle = [...places].filter(([, place]) => place.users === 0);
      const oldest = idle.sort(([, a], [, b]) => a.idleSince - b.idleSince)[0];
      if (oldest !== undefined && closing.size === 0) close(oldest[0]);
      await sleep(retryMs, signal);
    }
  };

  const take = async (space: string, signal: AbortSignal): Promise<Place<T>> => {
    for (;;) {
      if (stopping.signal.aborted) throw new Error("The sandbox is stopping.");
      const known = places.get(space);
      if (known !== undefined) return known;
      if (places.size + closing.size < options.maxStarted) break;
      await makeRoom(signal);
    }
    const started = options.start(space, stopping.signal);
    const place: Place<T> = { started, users: 0, idleSince: 0, timer: undefined };
    places.set(space, place);
    started.catch(() => {
      if (places.get(space) === place) places.delete(space);
    });
    return place;
  };

  const release = (space: string, place: Place<T>): void => {
    place.users -= 1;
    place.idleSince = performance.now();
    if (place.users > 0 || places.get(space) !== place) return;
    place.timer = setTimeout(() => close(space), options.idleMs);
    place.timer.unref();
  };

  return {
    async with(space, signal, use) {
      for (;;) {
        const place = await take(space, signal);
        clearTimeout(place.timer);
        place.users += 1;
        try {
          const started = await orAbort(place.started, signal);
          if (started.isAlive()) return await use(started);
          // It has ended by itself since its last use: another takes its place.
          if (places.get(space) === place) close(space);
        } finally {
          release(space, place);
        }
      }
    },
    async stop() {
      stopping.abort();
      for (const space of places.keys()) close(space);
      await Promise.allSettled(closing);
    },
  };
}
