import { loadConfig } from '../../config.ts';
import { withoutItem } from '../../yaml-file/edit.ts';
import { type Context, printJson } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { changeFile, configFile, type FileOptions, tellServer } from './file.ts';

export async function removeHost(id: string, options: FileOptions, context: Context): Promise<void> {
  const { env, terminal } = context;
  const file = configFile(options.config, context);
  const { hosts, dataDir } = await loadConfig({ file, env, flags: { dataDir: options.dataDir } });
  const at = hosts.findIndex((host) => host.id === id);
  if (at < 0) throw new CliError(`there is no host ${id} in ${file}`, EXIT.usage);
  await changeFile(file, {
    change: (text) => withoutItem(text, 'hosts', at),
    check: async (draft) => {
      const after = await loadConfig({ file: draft, env });
      // Somebody may have changed the file between.
      if (after.hosts.some((host) => host.id === id))
        throw new CliError(`${file} changed meanwhile; nothing was written`);
    },
  });
  const told = tellServer(dataDir);
  if (options.json) return printJson(terminal, { id, told });
  terminal.out(`${id} is out of ${file}${told ? ', and the server was told' : ''}\n`);
  if (!told) terminal.err('no server was found on this machine: it is there until the server starts again\n');
}
