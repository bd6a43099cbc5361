import { afterAll } from 'vitest';
import { openDatabases } from './open-databases.ts';

// Vitest loads this anew for each file.
afterAll(() => Promise.all([...openDatabases].map((database) => database.close())));
