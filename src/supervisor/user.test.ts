import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findUser } from './user.ts';

const databases = {
  passwd: [
    'root:x:0:0:root:/root:/bin/bash',
    '# a comment:x:5:5:::',
    'ann:x:1001:1001:Ann,,,:/home/ann:/bin/zsh',
    '1001:x:1002:1002::/home/number:',
    'broken:x:many:1:::',
    'bare:x:1003:4294967295::',
  ].join('\n'),
  group: 'root:x:0:\nann:x:1001:\nadm:x:4:syslog,ann\nvideo:x:44:ann,root\nbad:x::ann\n',
};

test('a user comes with home, shell and every group it is in', () => {
  expect(findUser('ann', databases)).toEqual({
    uid: 1001,
    gid: 1001,
    groups: [1001, 4, 44],
    name: 'ann',
    home: '/home/ann',
    shell: '/bin/zsh',
  });
  expect(findUser('root', databases)).toMatchObject({ uid: 0, gid: 0, groups: [0, 44] });
});

test('a group replaces the primary one, by name or number', () => {
  expect(findUser('ann:video', databases)).toMatchObject({ gid: 44, groups: [44, 4] });
  expect(findUser('ann:7', databases)).toMatchObject({ gid: 7, groups: [7, 4, 44] });
});

test('a number is a user too; a name that looks like one wins', () => {
  expect(findUser('0', databases)).toMatchObject({ name: 'root' });
  expect(findUser('1001', databases)).toMatchObject({ uid: 1002, shell: '/bin/sh' });
  expect(findUser('7000:7000', databases)).toMatchObject({ uid: 7000, groups: [7000], home: '/' });
});

test('what does not exist is said so', () => {
  expect(findUser('bob', databases)).toBe('user "bob" does not exist on this node');
  expect(findUser('7000', databases)).toBe('user "7000" does not exist on this node');
  expect(findUser('ann:nobodies', databases)).toBe('group "nobodies" does not exist on this node');
  for (const spec of ['', ':', '-1', 'broken', 'bare', '# a comment', '4294967295:0', 'ann:']) {
    expect(findUser(spec, databases)).toContain('does not exist on this node');
  }
});

test('no text of a database or of --user throws, or makes an id of 2^32 - 1', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (spec, passwd, group) => {
      const user = findUser(spec, { passwd, group });
      if (typeof user === 'string') return;
      for (const id of [user.uid, user.gid, ...user.groups]) expect(id).toBeLessThan(2 ** 32 - 1);
    }),
  );
});
