import type pg from 'pg';
import { arrayLiteral } from './array-literal.ts';

/** A statement is prepared once it has come so often: texts that are made up for one call never are. */
const SEEN_BEFORE = 3;
/** Each connection keeps what it prepared for ever, so there is an end to it. */
const MOST = 300;

/**
 * Sends statements that come again and again under a name, so that PostgreSQL parses and plans them once for each
 * connection. Planning is most of the cost of a short statement.
 */
export function createPreparing(
  onRefused: (client: pg.ClientBase, error: unknown) => void = () => {},
): (client: pg.ClientBase) => void {
  const seen = new Map<string, number>();
  const names = new Map<string, string>();
  // After a migration by a newer program, what was prepared with other columns is refused for good: other names then.
  let generation = 1;

  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    if (known !== undefined || names.size >= MOST) return known;
    const times = (seen.get(text) ?? 0) + 1;
    if (seen.size > 10 * MOST) seen.clear();
    seen.set(text, times);
    if (times < SEEN_BEFORE) return undefined;
    const name = `g${generation}s${names.size}`;
    names.set(text, name);
    return name;
  };

  const forget = (error: unknown) => {
    if (!isStalePlan(error)) return;
    names.clear();
    generation += 1;
  };

  return (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    const refused = (error: unknown) => {
      forget(error);
      onRefused(client, error);
    };
    const named = (...args: unknown[]) => {
      const [text, values] = args;
      if (typeof text !== 'string' || !Array.isArray(values) || args.length !== 2) return query(...args);
      const name = nameOf(text);
      const sent = { text, values: values.map(parameter) };
      const answer = query(name === undefined ? sent : { name, ...sent }) as Promise<unknown>;
      answer.catch(refused);
      return answer;
    };
    client.query = named as typeof client.query;
  };
}

const parameter = (value: unknown): unknown => (Array.isArray(value) ? (arrayLiteral(value) ?? value) : value);

/** The tables have changed since the statement was prepared; it succeeds when it is tried again. */
export const isStalePlan = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  error.code === '0A000' &&
  error.message.includes('cached plan must not change result type');
