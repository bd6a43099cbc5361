import { createHmac } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { flipOneBit, RECORDED_SECRET, recording } from '../../../src/demo/deliveries.ts';
import { recordings } from '../../support/recordings.ts';

const folder = new URL('../../../src/demo/deliveries/', import.meta.url);
const files = readdirSync(folder).map((name) => name.replace(/\.json$/, ''));

describe('the deliveries of the demo', () => {
  test.each(files)('%s is as Forgejo sent it, with the signature that it had', (file) => {
    const { headers, body } = recording(file);
    const signature = headers.find(([name]) => name === 'X-Forgejo-Signature')?.[1];
    expect(signature).toBe(createHmac('sha256', RECORDED_SECRET).update(body).digest('hex'));
    expect(recordings('v15').find((one) => one.file.startsWith(file))).toMatchObject({ headers, body });
  });

  test('differ in one bit from what is made of them to be refused', () => {
    const body = Buffer.from(recording('038-issue_comment-created').body);
    const changed = flipOneBit(body);
    const differences = [...body].map((byte, at) => byte ^ changed.readUInt8(at)).filter((bits) => bits !== 0);
    expect(differences).toEqual([1]);
    expect(JSON.parse(changed.toString())).not.toEqual(JSON.parse(body.toString()));
  });
});
