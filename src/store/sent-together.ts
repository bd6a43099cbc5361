import type pg from 'pg';

/**
 * Statements that are sent in the same turn leave in one piece. Each piece costs a call of the system, and wakes the
 * process of the database, which then may find only the first of them.
 */
export function sendTogether(client: pg.ClientBase): void {
  const { stream } = (client as pg.Client).connection;
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  let held = false;
  const hold = () => {
    held = true;
    stream.cork();
    // After all that follows from this turn without waiting for anything from outside.
    process.nextTick(() => {
      held = false;
      stream.uncork();
    });
  };
  const together = (...args: unknown[]) => {
    if (!held) hold();
    return query(...args);
  };
  client.query = together as typeof client.query;
}
