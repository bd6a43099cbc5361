/** Where a database is, as `pg` takes it. `host` may be the folder of a Unix socket. */
export type DatabaseAddress =
  | { connectionString: string }
  | { host: string; port?: number; user: string; password?: string; database: string };

/** The part of an address that `pg` needs, without whatever else the object carries. */
export function addressOptions(address: DatabaseAddress): DatabaseAddress {
  if ('connectionString' in address) return { connectionString: address.connectionString };
  const { host, port, user, password, database } = address;
  return {
    host,
    user,
    database,
    ...(port === undefined ? {} : { port }),
    ...(password === undefined ? {} : { password }),
  };
}
