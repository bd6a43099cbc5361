import { visibleLines } from '../domain/visible.ts';

/** Makes bytes that come in pieces visible: letters and line ends that a piece cuts are put together again. */
export function createVisibleText(): { push(bytes: Uint8Array): string; end(): string } {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let kept = '';
  const flush = (text: string, last: boolean) => {
    const whole = kept + text;
    kept = !last && whole.endsWith('\r') ? '\r' : '';
    return visibleLines(kept === '' ? whole : whole.slice(0, -1));
  };
  return {
    push: (bytes) => flush(decoder.decode(bytes, { stream: true }), false),
    end: () => flush(decoder.decode(), true),
  };
}
