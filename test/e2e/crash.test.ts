// An apply that is killed or interrupted: the next plan says what is left, the next apply finishes it.
import t from 'tap';
import { makeSandboxHost, startSbx, whyNot } from '../support/sandbox-host.ts';

const file = `version: 1
name: crash
images:
  base: { build: tiny }
volumes:
  data: { size: 32MiB }
networks:
  lan: { mode: nat }
vms:
  first:
    image: base
    memory: 160MiB
    disks: { data: { volume: data } }
    networks: { lan: { ports: ["auto:80"] } }
    ready: { boot: true, timeout: 3m }
  second:
    image: base
    memory: 160MiB
    depends_on: { first: ready }
    networks: { lan: {} }
    ready: { boot: true, timeout: 3m }
`;

t.test('an apply that does not come to its end', { skip: whyNot() ?? false, timeout: 600_000 }, async (t) => {
  const host = await makeSandboxHost(t);
  host.write(file);

  await t.test('killed while it starts a VM: the plan says what is left', async (t) => {
    const apply = startSbx(host, 'apply', '--auto-approve', '--json');
    await apply.said(/"step-started"[^\n]*"vm\.start"/);
    apply.kill('SIGKILL');
    t.equal((await apply.ended).code, 137);
    const plan = await host.sbx('plan', '--detailed-exitcode');
    t.equal(plan.code, 2);
    // Begun, or started and not seen ready: how far it had come when the signal came is not ours to say.
    t.match(plan.stdout, /vm\.first will be (changed|restarted)|vm\.first was begun/);
    t.match(plan.stdout, /vm\.second/);
  });

  await t.test('Ctrl-C while it waits for a guest: 130, and the plan goes on from there', async (t) => {
    const apply = startSbx(host, 'apply', '--auto-approve', '--json');
    await apply.said(/"step-started"[^\n]*"vm\.ready"/);
    // Held where it is, however fast the guest is and however slow the others are.
    apply.kill('SIGSTOP');
    const other = await host.sbx('apply', '--auto-approve');
    t.equal(other.code, 4, 'a second apply finds the lock held', other);
    t.match(await host.sbx('plan'), { code: 0, stderr: /apply/ }, 'a plan says who is applying');
    apply.kill('SIGINT');
    apply.kill('SIGCONT');
    const ended = await apply.ended;
    t.equal(ended.code, 130, 'it ends cleanly', ended);
    t.match(ended.stdout, /"status":"interrupted"/);
    t.equal((await host.sbx('plan', '--detailed-exitcode')).code, 2);
  });

  await t.test('the next apply finishes it', async (t) => {
    await host.ok('apply', '--auto-approve');
    t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
    for (const vm of ['first', 'second']) t.equal(await host.ok('exec', vm, '--', 'hostname'), `${vm}\n`);
  });

  await t.test('killed while it destroys: destroying again leaves nothing', async (t) => {
    const destroy = startSbx(host, 'destroy', '--auto-approve', '--json');
    await destroy.said(/"step-started"[^\n]*"vm\.stop"/);
    destroy.kill('SIGKILL');
    await destroy.ended;
    await host.ok('destroy', '--auto-approve');
    t.strictSame(host.leftovers(), []);
  });
});
