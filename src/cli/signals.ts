/**
 * Aborted by SIGTERM or SIGINT. A second Ctrl+C is a person who will not wait: it ends the process at once (130). A
 * second SIGTERM is a supervisor that repeats itself, and orderly stopping is what it wants.
 */
export function untilSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (name === "SIGINT" && controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}
