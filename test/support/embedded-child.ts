// A server process as far as the database goes: starts it, says where it is, and lives until it is killed.
import { startEmbedded } from '../../src/store/embedded/start-embedded.ts';

const [dataDir = ''] = process.argv.slice(2);
const { connectionString, pid } = await startEmbedded({ dataDir });
console.log(JSON.stringify({ connectionString, pid }));
setInterval(() => {}, 60_000);
