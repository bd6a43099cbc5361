import { NotAvailable } from './jobs.ts';
import type { Server } from './server.ts';

/** What the server tells Prometheus: each metric's values added up over its labels. */
export async function readMetrics({ target, adminToken }: Server): Promise<Map<string, number>> {
  const url = `http://${target.host}:${target.port}/metrics`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${adminToken}` } });
  const text = await response.text();
  if (!response.ok) throw new NotAvailable(`GET /metrics: ${response.status}`);
  const all = new Map<string, number>();
  for (const [, name = '', value] of text.matchAll(/^([a-zA-Z_:]+)(?:\{[^}]*\})? (\S+)/gm)) {
    all.set(name, (all.get(name) ?? 0) + Number(value));
  }
  return all;
}

export function metric(all: ReadonlyMap<string, number>, name: string): number {
  const value = all.get(name);
  if (value === undefined) throw new NotAvailable(`/metrics has no ${name}`);
  return value;
}
