import t from 'tap';
import { capabilitiesOf } from '../../../src/vmm/cloud-hypervisor/capabilities.ts';
import { featuresOf, formatVersion, isAtLeast, parseVersion } from '../../../src/vmm/cloud-hypervisor/version.ts';

t.test('versions are read in every form that builds print', async (t) => {
  const cases = [
    { said: 'cloud-hypervisor v53.0', want: '53.0' },
    { said: 'cloud-hypervisor v50.1\n', want: '50.1' },
    { said: 'cloud-hypervisor v53.0-246-gae44c2971-dirty', want: '53.0' },
    { said: 'cloud-hypervisor v47.0.0', want: '47.0' },
    { said: 'cloud-hypervisor v53.0+vendor1', want: '53.0' },
    { said: 'v36.0', want: '36.0' },
    { said: '34.0', want: '34.0' },
    { said: 'cloud-hypervisor', want: undefined },
    { said: 'QEMU emulator version 7.2.22', want: undefined },
    { said: '', want: undefined },
    { said: 'undefined', want: undefined },
  ];
  for (const { said, want } of cases) {
    const version = parseVersion(said);
    t.equal(version === undefined ? undefined : formatVersion(version), want, JSON.stringify(said));
  }
});

t.test('a release is at least itself and everything older', async (t) => {
  const version = { major: 50, minor: 1 };
  t.ok(isAtLeast(version, 50, 1));
  t.ok(isAtLeast(version, 50));
  t.ok(isAtLeast(version, 49, 9));
  t.notOk(isAtLeast(version, 50, 2));
  t.notOk(isAtLeast(version, 51));
});

t.test('features appear with their release', async (t) => {
  const first = (feature: keyof ReturnType<typeof featuresOf>): string => {
    for (const major of Array.from({ length: 21 }, (_, at) => at + 34)) {
      for (const minor of [0, 1]) if (featuresOf({ major, minor })[feature]) return `${major}.${minor}`;
    }
    return 'never';
  };
  t.strictSame(
    Object.fromEntries(
      Object.keys(featuresOf({ major: 53, minor: 0 })).map((name) => [name, first(name as 'bzImage')]),
    ),
    {
      diskSerial: '35.0',
      cpuRemovalGuard: '35.0',
      bzImage: '39.0',
      imageType: '50.1',
      diskResize: '50.0',
      diskResizeAnyway: '52.0',
      qcow2Resize: '51.0',
      actualMemory: '52.0',
      systemUuid: '53.0',
      removalRepeats: '54.0',
    },
  );
});

t.test('capabilities follow the release, and bad releases say so', async (t) => {
  const of = (major: number, minor = 0) => capabilitiesOf({ major, minor }, '/bin/ch');
  t.match(of(34), {
    version: '34.0',
    cpuShrink: 'restart',
    diskGrow: 'restart',
    memoryShrink: 'live',
    userNetwork: false,
  });
  t.match(of(51, 1), { cpuShrink: 'live', diskGrow: 'live', notes: [] });
  t.match(of(52).notes.join(), /twice the memory/);
  t.strictSame(of(52, 1).notes, []);
  t.match(of(50, 2).notes.join(), /qcow2/);
  t.match(of(38).notes.join(), /vmlinux/);
  t.match(of(50).notes.join(), /read files of this host/);
  t.notMatch(of(50, 1).notes.join(), /read files of this host/);
  t.strictSame(of(53).notes, []);
  t.match(of(60).notes.join(), /newer than 53\.0/);
});
