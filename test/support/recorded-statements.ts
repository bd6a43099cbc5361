import type pg from 'pg';

/** Notes each statement that this pool sends from now on over new connections, and when it is answered. */
export function recordStatements(pool: pg.Pool, note: (line: string) => void): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    client.query = ((text: string, ...rest: unknown[]) => {
      note(`${text} is sent`);
      const answer = query(text, ...rest);
      void answer.then(
        () => note(`${text} is answered`),
        () => note(`${text} failed`),
      );
      return answer;
    }) as typeof client.query;
  });
}
