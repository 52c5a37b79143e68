import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import { isInstanceName, parseSandboxId, resolveHome, sandboxLayout } from '../../src/store/home.ts';
import { layoutOf, temporaryHome } from '../support/temp-home.ts';

t.test('the home follows flag, environment and user, in this order', async (t) => {
  const user = { HOME: '/home/ada' };
  const cases = [
    {
      name: 'root has the folders of the system',
      given: { environment: { HOME: '/root' }, uid: 0 },
      want: { state: '/var/lib/sbx', run: '/run/sbx', cache: '/var/cache/sbx' },
    },
    {
      name: 'others have the XDG folders, sockets beside the state',
      given: { environment: user, uid: 1000 },
      want: {
        state: '/home/ada/.local/state/sbx',
        run: '/home/ada/.local/state/sbx/run',
        cache: '/home/ada/.cache/sbx',
      },
    },
    {
      name: 'XDG variables move them, XDG_RUNTIME_DIR does not',
      given: {
        environment: { ...user, XDG_STATE_HOME: '/s', XDG_CACHE_HOME: '/c', XDG_RUNTIME_DIR: '/run/user/1000' },
        uid: 1000,
      },
      want: { state: '/s/sbx', run: '/s/sbx/run', cache: '/c/sbx' },
    },
    {
      name: 'relative and empty XDG variables are ignored',
      given: { environment: { ...user, XDG_STATE_HOME: 's', XDG_CACHE_HOME: '' }, uid: 1000 },
      want: {
        state: '/home/ada/.local/state/sbx',
        run: '/home/ada/.local/state/sbx/run',
        cache: '/home/ada/.cache/sbx',
      },
    },
    {
      name: 'SBX_HOME puts all under one folder, for root too',
      given: { environment: { SBX_HOME: '/h' }, uid: 0 },
      want: { state: '/h', run: '/h/run', cache: '/h/cache' },
    },
    {
      name: 'an empty SBX_HOME is none',
      given: { environment: { SBX_HOME: '' }, uid: 0 },
      want: { state: '/var/lib/sbx', run: '/run/sbx', cache: '/var/cache/sbx' },
    },
    {
      name: '--home wins',
      given: { flag: '/f', environment: { SBX_HOME: '/h' }, uid: 1000 },
      want: { state: '/f', run: '/f/run', cache: '/f/cache' },
    },
  ];
  for (const { name, given, want } of cases) t.strictSame(resolveHome(given), want, name);
});

t.test('all paths of a sandbox lie in its home and apart from those of others', async (t) => {
  const home = temporaryHome(t);
  const layouts = [layoutOf(home), layoutOf(home, 'shop', 'pr-17'), layoutOf(home, 'shop2')];
  const paths = layouts.flatMap((layout) => {
    const { statePath, journalPath, lockPath, backupsDir, dataDir, runDir, volumesDir } = layout;
    return [statePath, journalPath, lockPath, backupsDir, dataDir, runDir, volumesDir];
  });
  t.equal(new Set(paths).size, paths.length, 'no path twice');
  t.ok(paths.every((path) => path.startsWith(`${home.state}/`)));
  t.equal(layoutOf(home, 'shop', 'pr-17').statePath, `${home.state}/state/shop@pr-17.json`);
  t.match(layoutOf(home).runDir, /\/run\/[0-9a-f]{10}$/);
});

t.test('paths of VMs differ for all addresses and stay inside, whatever a key holds', async (t) => {
  const layout = layoutOf(temporaryHome(t));
  const addresses = ['vm.web', 'vm.web[0]', 'vm.web["0"]', 'vm.web["../../x"]', 'vm.web["a b"]', 'vm.web["a_b"]'];
  const paths = addresses.map((address) => layout.vmPaths(address as Address));
  t.equal(new Set(paths.map(({ run }) => run)).size, addresses.length);
  t.equal(new Set(paths.map(({ data }) => data)).size, addresses.length);
  for (const { run, data } of paths) {
    t.match(run, /\/run\/[0-9a-f]{10}\/[0-9a-f]{8}$/);
    t.match(data, /\/data\/shop\/vms\/[A-Za-z0-9_.-]+-[0-9a-f]{8}$/);
    t.ok(Buffer.byteLength(`${run}/vsock.sock_65535`) <= 100);
  }
  t.match(layout.volumePath('../x'), /\/volumes\/shop\/[^/.]+[^/]*\.raw$/);
});

t.test('names that try to be paths or options are refused', async (t) => {
  const home = temporaryHome(t);
  const names = ['', '.', '..', '../x', 'a/b', '-rf', 'A', 'a@b', 'a\0', 'a\n', 'a'.repeat(32), 'ä'];
  for (const name of names) {
    t.match(sandboxLayout(home, { name }), { ok: false, diagnostics: [{ code: 'SBX4009' }] }, JSON.stringify(name));
  }
  for (const instance of ['', '.', '..', '.x', '-x', 'a/b', 'a@b', 'a b', 'a'.repeat(42)]) {
    const layout = sandboxLayout(home, { name: 'shop', instance });
    t.match(layout, { ok: false, diagnostics: [{ code: 'SBX4009' }] }, JSON.stringify(instance));
    t.notOk(isInstanceName(instance));
  }
  t.ok(sandboxLayout(home, { name: 'shop', instance: 'PR_17.a-b' }).ok);
});

t.test('a home in which sockets would not fit is refused with the length that would', async (t) => {
  const room = 63;
  const fits = (length: number) => resolveHome({ flag: `/${'h'.repeat(length - 1)}`, environment: {}, uid: 0 });
  const limit = [...Array(100).keys()].findLast(
    (length) => length > 1 && sandboxLayout(fits(length), { name: 'a' }).ok,
  );
  t.ok(limit !== undefined && limit >= room - 4, `homes of ${limit} bytes fit`);
  const tooLong = sandboxLayout(fits((limit ?? 0) + 1), { name: 'a' });
  t.match(tooLong, { ok: false, diagnostics: [{ code: 'SBX4007', hint: new RegExp(`may have ${limit} bytes`) }] });
});

t.test('an id is taken apart as it was put together', async (t) => {
  const home = temporaryHome(t);
  for (const layout of [layoutOf(home), layoutOf(home, 'a-1', 'x.y')]) {
    const { name, instance } = layout;
    t.strictSame(parseSandboxId(layout.id), instance === undefined ? { name } : { name, instance });
  }
  for (const id of ['', '@', 'a@', 'A', 'a@b@c', '../x']) t.equal(parseSandboxId(id), undefined, id);
});
