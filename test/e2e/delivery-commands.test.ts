import { expect, test } from 'vitest';
import type { Delivery } from '../../src/contract/delivery.ts';
import { taskejo } from '../support/command-line.ts';
import { deliver, startConfiguredServer } from '../support/configured.ts';
import { recorded } from '../support/recordings.ts';

test('deliveries are listed with what was decided, and shown with what each rule said and what was sent', async () => {
  const server = await startConfiguredServer(null, { command: ['true'], requires: ['nobody-has-this'] });
  const env = { TASKEJO_URL: server.url, TASKEJO_TOKEN: server.adminToken };
  const cli = async (...args: string[]) => {
    const { stdout, stderr, code } = await taskejo(['deliveries', ...args], { env });
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    return stdout;
  };
  const comment = recorded('v15', 'alice comments: /run fix this please');
  const { answer } = await deliver(server, comment);

  const list = await cli('list');
  expect(list).toMatch(/^ID +AGE +FORGE +REPOSITORY +EVENT +SENDER +DECISION +WHY\n/);
  expect(list).toMatch(new RegExp(`^${answer.delivery_id} .*main .*task_created`, 'm'));
  const { items } = JSON.parse(await cli('list', '--task', answer.task_ids[0] ?? '', '--json')) as {
    items: Delivery[];
  };
  expect(items.map(({ id }) => id)).toEqual([answer.delivery_id]);

  const shown = await cli('show', answer.delivery_id);
  expect(shown).toMatch(/decision +task_created/);
  expect(shown).toContain(answer.task_ids[0]);
  expect(shown).toMatch(/^ {2}(yes|no ) {2}\S/m);
  expect(await cli('show', answer.delivery_id, '--body')).toBe(comment.body);
  const none = await taskejo(['deliveries', 'list', '--decision', 'ignored'], { env });
  expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'no deliveries\n' });
});
