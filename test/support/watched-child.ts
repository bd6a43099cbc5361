// Runs a program the way PostgreSQL is run where the kernel doesn't tell a child that its parent died.

import { runPostgres } from '../../src/store/embedded/postgres-process.ts';
import { noLog } from '../../src/store/log.ts';

const launcher = { prefix: [], ownerId: null, endsWithParent: false };
const { pid } = await runPostgres({ path: '/bin/sleep', args: ['600'], launcher, log: noLog });
console.log(pid);
