import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { withItem, withoutItem } from '../../src/yaml-file/edit.ts';

const ITEM = { id: 'new', private_key: { file: 'keys/new' }, labels: ['gpu', 'linux'] };
const WRITTEN = '  - id: new\n    private_key: {file: keys/new}\n    labels: [gpu, linux]\n';

const FILE = `# the server
listen: 127.0.0.1:7070      # where

hosts:
  # the old one
  - id: a
    labels: [x]   # what it can do
  - {id: b, capacity: 2}   # in one line

# the end
log: {level: info}
`;

describe('an item more', () => {
  test('stands behind the last one, and the rest stays as it was', () => {
    expect(withItem(FILE, 'hosts', ITEM)).toBe(FILE.replace('# in one line\n', `# in one line\n${WRITTEN}`));
  });

  test.each([
    ['an empty file', '', `hosts:\n${WRITTEN}`],
    ['a file without the list', 'listen: a:1 # here', `listen: a:1 # here\nhosts:\n${WRITTEN}`],
    ['an empty list', 'hosts: [] # none yet\nlog: {}\n', `hosts:\n${WRITTEN.trimEnd()} # none yet\nlog: {}\n`],
    ['a list that ends the file', 'hosts:\n- id: a', `hosts:\n- id: a\n${WRITTEN.replaceAll(/^ {2}/gm, '').trimEnd()}`],
  ])('comes into %s', (_, before, after) => {
    expect(withItem(before, 'hosts', ITEM)).toBe(after);
  });

  test.each([
    'hosts: [{id: a}, {id: b}] # two\nlog: {}\n',
    '{"hosts": [{"id": "a"}], "log": {}}',
    'hosts:\n  -\n    id: a\n\n  - id: b\n    text: |\n      two\n      lines\n\nlog: {}\n',
    'hosts: # none\nlog: {}\n',
    'log: &x {}\nhosts:\n  - &a {id: a}\n  - *a\n',
  ])('comes into a list however it is written: %j', (text) => {
    const before = parse(text) as { hosts: object[] | null };
    expect(parse(withItem(text, 'hosts', ITEM))).toEqual({ ...before, hosts: [...(before.hosts ?? []), ITEM] });
  });

  test('is refused where there is no list', () => {
    expect(() => withItem('hosts: 7\n', 'hosts', ITEM)).toThrow('hosts is not a list');
  });
});

describe('an item less', () => {
  test('is cut out, and the rest stays as it was', () => {
    expect(withoutItem(FILE, 'hosts', 1)).toBe(FILE.replace('  - {id: b, capacity: 2}   # in one line\n', ''));
    expect(withoutItem(FILE, 'hosts', 0)).toBe(FILE.replace(/ {2}- id: a\n.*\n/, ''));
  });

  test('the last one leaves an empty list', () => {
    expect(withoutItem('hosts:\n  - id: a\n    x: 1\nlog: {}\n', 'hosts', 0)).toBe('hosts: []\nlog: {}\n');
  });

  test('what was added and is taken away again leaves no trace', () => {
    expect(withoutItem(withItem(FILE, 'hosts', ITEM), 'hosts', 2)).toBe(FILE);
  });

  test.each([
    'hosts: [{id: a}, {id: b}] # two\n',
    'hosts:\n  -\n    id: a\n  - id: b\n    text: |\n      two\n      lines\n',
  ])('is cut out of a list however it is written: %j', (text) => {
    const [, second] = (parse(text) as { hosts: object[] }).hosts;
    expect(parse(withoutItem(text, 'hosts', 0))).toEqual({ hosts: [second] });
  });
});
