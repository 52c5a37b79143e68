// Fixpoint: after an apply that succeeded the next plan is empty, and the host shows what the file says. Chains of generated
// files are applied one over the other; what the host shows is read from the fake VMM's log, /proc, the namespace and files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { type FakeHub, startHub } from '../fakes/cloud-hypervisor/install.ts';
import { applyAll, applyOver, makeChainHost } from '../support/chain.ts';
import { chains, type FileModel, fileModel, filesOf, type VmModel } from '../support/generated-files.ts';
import { liveChanges } from '../support/live-changes.ts';
import { cannotOpenSpaces, propertyOptions, soak } from '../support/property.ts';
import { Tally } from '../support/tally.ts';

t.setTimeout(soak ? 24 * 3600_000 : 20 * 60_000);
const skip = cannotOpenSpaces();
const files = 13;

async function withHub(work: (hub: FakeHub) => Promise<void>): Promise<void> {
  const hub = await startHub(`/tmp/sbxhub-${process.pid}.sock`);
  try {
    await work(hub);
  } finally {
    await hub.stop();
  }
}

t.test('an apply is followed by an empty plan and a host that shows the file', { skip }, async (t) => {
  const tally = new Tally();
  const options = propertyOptions({ few: 8, many: 2000 });
  t.comment(`seed ${options.seed}, ${options.numRuns} chains of ${files} files`);
  await withHub(async (hub) => {
    await applyAll(await makeChainHost(hub), liveChanges, tally);
    const property = fc.asyncProperty(chains(files), async (chain) =>
      applyAll(await makeChainHost(hub), filesOf(chain), tally),
    );
    await t.resolves(fc.assert(property, options));
  });
  for (const line of tally.lines()) t.comment(line);
  t.ok(tally.pairs >= options.numRuns * 8, `${tally.pairs} pairs of different files were applied`);
  if (options.numRuns >= 8) t.strictSame(tally.rare({ changes: 3, steps: 1 }), [], 'everything occurs');
});

t.test('what the file forbids is refused with its code, and nothing is changed', { skip }, async (t) => {
  const options = propertyOptions({ few: 5, many: 300 });
  t.comment(`seed ${options.seed}, ${options.numRuns} refusals of each kind`);
  await withHub(async (hub) => {
    // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a table of refusals and one loop over it
    const property = fc.asyncProperty(fileModel, async (given) => {
      const host = await makeChainHost(hub);
      try {
        const kept: VmModel = { ...guardedVm, preventDestroy: true };
        const file: FileModel = {
          ...given,
          volumes: { ...given.volumes, v0: { size: 3, protect: true } },
          vms: { ...Object.fromEntries(Object.entries(given.vms).slice(0, 2)), z: kept },
        };
        const link = await applyOver(host, file, undefined, new Tally());
        const { v0: _v0, ...otherVolumes } = file.volumes;
        const { z: _z, ...otherVms } = file.vms;
        const forbidden: Readonly<Record<string, FileModel>> = {
          SBX3110: { ...file, volumes: { ...file.volumes, v0: { size: 2, protect: true } } },
          SBX3111: { ...file, volumes: otherVolumes },
          SBX3130: { ...file, vms: otherVms },
          'SBX3130 by another image': { ...file, vms: { ...file.vms, z: { ...kept, image: 'other' } } },
          'SBX3130 by a smaller disk': { ...file, vms: { ...file.vms, z: { ...kept, root: 1 } } },
          'SBX3130 by another name': { ...file, vms: { ...otherVms, y: kept } },
        };
        const before = snapshot(host.home);
        for (const [name, next] of Object.entries(forbidden)) {
          host.writeFile(next);
          const made = await host.plan({ token: next.token });
          const codes = made.ok
            ? []
            : made.diagnostics.filter(({ severity }) => severity === 'error').map(({ code }) => code);
          if (!codes.includes(name.slice(0, 7) as 'SBX3130')) throw new TypeError(`${name} was not refused: ${codes}`);
          if (snapshot(host.home) !== before) throw new TypeError(`${name} changed the state`);
        }
        const differences = await host.world.differences(link.expected);
        if (differences.length > 0) throw new TypeError(`a refused plan changed the host: ${differences.join('; ')}`);
      } finally {
        host.discard();
      }
    });
    await t.resolves(fc.assert(property, options));
  });
});

const guardedVm: VmModel = {
  ...{ image: 'own', cmdline: null, hostname: null, root: 2, scratch: {}, volumes: {}, networks: {}, env: {} },
  ...{ cpus: { count: 1, room: 0 }, memory: { size: 128, room: 0 }, ready: false, state: 'running', onExit: 'keep' },
  ...{ dependsOn: {}, ignore: [], triggers: [] },
  ...{ form: 'single', preventDestroy: false },
};

function snapshot(home: string): string {
  return readFileSync(join(home, 'state/gen.json'), 'utf8');
}
