import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Call = { method: string; path: string; status: number };
export type RecordingProxy = { url: string; stop(): void };

/** Passes everything on to a server as it comes, and tells `onCall` what was asked and answered. */
export async function startRecordingProxy(target: string, onCall: (call: Call) => void): Promise<RecordingProxy> {
  const proxy = createServer((asked, answer) => pass(asked, answer, target, onCall));
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    stop() {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}

function pass(asked: IncomingMessage, answer: ServerResponse, target: string, onCall: (call: Call) => void): void {
  const { method = '', url = '', headers } = asked;
  const onward = request(new URL(url, target), { method, headers }, (answered) => {
    const { statusCode: status = 0 } = answered;
    onCall({ method, path: url, status });
    answer.writeHead(status, answered.headers);
    answered.pipe(answer);
    answered.on('error', () => answer.destroy());
  });
  onward.on('error', () => answer.destroy());
  answer.on('close', () => onward.destroy());
  asked.pipe(onward);
}
