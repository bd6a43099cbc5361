import { loadConfig } from '../../config.ts';
import { visible } from '../../domain/visible.ts';
import { indexOfId, withoutItem } from '../../yaml-file/edit.ts';
import { type Context, printJson } from '../connect.ts';
import { CliError, EXIT } from '../errors.ts';
import { changeFile, configFile, type FileOptions, tellServer } from './file.ts';

export async function removeHost(id: string, options: FileOptions, context: Context): Promise<void> {
  const { env, terminal } = context;
  const file = configFile(options.config, context);
  let dataDir = '';
  await changeFile(file, {
    change(text) {
      const at = indexOfId(text, 'hosts', id);
      if (at < 0) throw new CliError(`there is no host ${visible(id)} in ${file}`, EXIT.usage);
      return withoutItem(text, 'hosts', at);
    },
    // What is wrong with the entry itself must not keep it there.
    check: async (draft) => {
      ({ dataDir } = await loadConfig({ file: draft, env, flags: { dataDir: options.dataDir } }));
    },
  });
  const told = tellServer(dataDir);
  if (options.json) return printJson(terminal, { id, told });
  terminal.out(`${id} is out of ${file}${told ? ', and the server was told' : ''}\n`);
  if (!told) terminal.err('no server was found on this machine: it is there until the server starts again\n');
}
