/** Something that the demo needed did not come; the message says what, for the person who watches. */
export class DemoError extends Error {
  override name = 'DemoError';
}

/** Somebody asked the demo to end. */
export class Interrupted extends Error {
  override name = 'Interrupted';
  readonly exitCode: number;
  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`${signal} came`);
    this.exitCode = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal];
  }
}
