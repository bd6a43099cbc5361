import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrate } from '../../src/store/migrate.ts';

/** The PostgreSQL of a test run: `url` is of a database from which others can be made, all names begin with `prefix`. */
export type TestServer = { url: string; prefix: string };

/** Makes the database that the files of this run copy: all migrations, no rows. */
export async function createTemplate(url: string): Promise<TestServer> {
  const server = { url, prefix: `taskejo_test_${randomBytes(4).toString('hex')}` };
  const template = templateName(server);
  await runOn(url, `create database ${template}`);
  try {
    await migrate({ connectionString: urlOf(server, template) });
  } catch (error) {
    await dropTestDatabases(server);
    throw error;
  }
  return server;
}

/** Copies the template, or makes an empty database; answers its connection string. */
export const cloneDatabase = (server: TestServer, empty: boolean): Promise<string> =>
  copyDatabase(server, empty ? 'template0' : templateName(server));

/** Copies a database of this server that nobody is connected to; it is told by its name or its connection string. */
export async function copyDatabase(server: TestServer, source: string): Promise<string> {
  const name = `${server.prefix}_${randomBytes(6).toString('hex')}`;
  const template = /^\w+$/.test(source) ? source : source.replace(/^[^?]*\/(\w+).*$/, '$1');
  await runOn(server.url, `create database ${name} template ${template} strategy file_copy`);
  return urlOf(server, name);
}

/** Drops what this run made, and nothing else. */
export async function dropTestDatabases({ url, prefix }: TestServer): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const names = await client.query<{ datname: string }>(
      'select datname from pg_database where starts_with(datname, $1)',
      [prefix],
    );
    for (const { datname } of names.rows) await client.query(`drop database ${datname} with (force)`);
  } finally {
    await client.end();
  }
}

function templateName(server: TestServer): string {
  return `${server.prefix}_template`;
}

function urlOf(server: TestServer, database: string): string {
  return server.url.replace(/^(postgres(?:ql)?:\/\/[^/?]*)\/[^?]*/, `$1/${database}`);
}

async function runOn(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
