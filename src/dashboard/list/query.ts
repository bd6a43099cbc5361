import { STATUSES, type Status, type TaskSort } from '../../domain/task.ts';

/** What the address asks for. What it says that isn't understood is as if it weren't said. */
export type ListQuery = { status: Status | null; sort: TaskSort; cursor: string | null };

export function readQuery(asked: Record<string, string>): ListQuery {
  return {
    status: STATUSES.find((status) => status === asked.status) ?? null,
    sort: asked.sort === 'rank' ? 'rank' : 'created',
    cursor: asked.cursor ?? null,
  };
}

/** The address of a list, with what differs from the plain one. */
export function listAddress({ status, sort, cursor }: ListQuery, path = '/'): string {
  const said = new URLSearchParams();
  if (status !== null) said.set('status', status);
  if (sort === 'rank') said.set('sort', sort);
  if (cursor !== null) said.set('cursor', cursor);
  return said.size === 0 ? path : `${path}?${said}`;
}
