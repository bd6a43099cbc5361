export type PullOptions = {
  /** Who doesn't take what was sent for so long is dropped. */
  stuckMs: number;
  /** Fired when the reader is gone or was dropped. */
  gone: AbortController;
  /** Told of what broke the source; for the reader the stream just ends. */
  onError: (error: unknown) => void;
};

/** A stream whose next piece is made only when the reader has taken the one before. */
export function pulled(
  pieces: AsyncGenerator<Uint8Array>,
  { stuckMs, gone, onError }: PullOptions,
): ReadableStream<Uint8Array> {
  let stuck: NodeJS.Timeout | undefined;
  const drop = (controller: ReadableStreamDefaultController) => {
    gone.abort();
    controller.error(new Error('the reader is too slow'));
    void pieces.return(undefined);
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        clearTimeout(stuck);
        try {
          const { done, value } = await pieces.next();
          if (gone.signal.aborted) return;
          if (done) return controller.close();
          controller.enqueue(value);
          stuck = setTimeout(drop, stuckMs, controller).unref();
        } catch (error) {
          onError(error);
          if (!gone.signal.aborted) controller.close();
        }
      },
      async cancel() {
        clearTimeout(stuck);
        gone.abort();
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
