import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Where a command writes: what was asked for to `out`, everything else to `err`. */
export type Terminal = {
  out(text: string): void;
  err(text: string): void;
  outBytes(bytes: Uint8Array): void;
  errBytes(bytes: Uint8Array): void;
  /** For programs that do more than print: who reads their output may go, and they stay. */
  outliveReaders(): void;
  /** Columns of the screen; null where the output goes to a program or a file. */
  width: number | null;
  /** Colour, where the output is a screen that shows it and nobody asked for none. */
  style(style: Style, text: string): string;
};

type Streams = { stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream };

/** Unless told otherwise, ends the program quietly when whoever read the output has gone, as after `| head`. */
export function createTerminal({ stdout, stderr }: Streams): Terminal {
  let outlives = false;
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (outlives) return;
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  return {
    outliveReaders: () => {
      outlives = true;
    },
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    outBytes: (bytes) => void stdout.write(bytes),
    errBytes: (bytes) => void stderr.write(bytes),
    width: stdout.isTTY ? stdout.columns : null,
    style: (style, text) => styleText(style, text, { stream: stdout }),
  };
}
