import type { ClientChannel } from 'ssh2';
import { MachineError, NotSent } from '../machine.ts';
import { gather, guard, type RunOptions, type RunResult, TooMuch } from '../wrapper/transport.ts';
import type { Connection } from './connect.ts';

/** The host would not open one more channel on this connection; nothing ran. */
export class ChannelRefused extends NotSent {
  constructor(cause: Error) {
    super('unreachable', 'the host refused a channel', { cause });
  }
}

/** The link or the channel ended before the end of the operation was seen; it may have run, wholly or in part. */
export class ChannelLost extends MachineError {
  constructor(message: string, options?: ErrorOptions) {
    super('unreachable', message, options);
  }
}

/** Our window is half as large: whoever sends so much that nobody has taken yet does not keep to it. */
const UNREAD_BYTES = 4 * 1024 * 1024;

/** Runs a constant command on a channel of its own, within deadline and byte budget. */
export function execute({ client, socket }: Connection, command: string, options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    let channel: ClientChannel | null = null;
    let settled = false;
    const settle = (error: Error | null, result?: RunResult) => {
      if (settled) return;
      settled = true;
      release();
      client.removeListener('close', onLinkClosed);
      socket.removeListener('data', onReceived);
      if (error) channel?.close();
      if (error || !result) reject(error);
      else resolve(result);
    };
    const onLinkClosed = () => settle(new ChannelLost('the connection was lost'));
    const onReceived = () => {
      const unread = channel === null ? 0 : channel.readableLength + channel.stderr.readableLength;
      if (unread > UNREAD_BYTES) settle(new TooMuch(UNREAD_BYTES));
    };
    const release = guard(options, settle);
    client.once('close', onLinkClosed);
    socket.on('data', onReceived);
    try {
      client.exec(command, (error, opened) => {
        if (error) return settle(refused(error) ? new ChannelRefused(error) : new ChannelLost(error.message));
        channel = opened;
        // A channel that comes too late is still drained: unread bytes would stall its whole connection.
        listen(opened, options, settle);
        if (settled) opened.close();
        else if (options.stdin !== 'open') opened.end(options.stdin);
      });
    } catch (error) {
      settle(new ChannelLost('the connection is closed', { cause: error }));
    }
  });
}

/** Other errors leave open whether the command began. */
const refused = (error: Error) =>
  error.message.startsWith('(SSH) Channel open failure') && !error.message.includes('unexpectedly');

/** Everything is attached at once: the exit may arrive in the same piece of data as the channel itself. */
function listen(
  channel: ClientChannel,
  options: RunOptions,
  settle: (error: Error | null, result?: RunResult) => void,
): void {
  let exitCode: number | null = null;
  const { collected, ended } = gather({ stdout: channel, stderr: channel.stderr }, options, settle);
  channel.once('exit', (code: number | null) => {
    exitCode = code ?? 255;
  });
  channel.on('error', () => {}); // followed by close
  channel.once('close', () => {
    const code = exitCode;
    if (code === null) settle(new ChannelLost('the channel closed without an exit status'));
    else void ended.then(() => settle(null, { ...collected(), exitCode: code }));
  });
}
