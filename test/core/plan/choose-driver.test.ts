import t from 'tap';
import type { Address } from '../../../src/core/address.ts';
import type { Desired, DesiredVm } from '../../../src/core/desired.ts';
import type { Capabilities, Detected } from '../../../src/core/plan/capabilities.ts';
import { chooseDriver, type DriverRequest, driverNeeds } from '../../../src/core/plan/choose-driver.ts';
import { qemuCapabilities } from '../../../src/vmm/qemu/capabilities.ts';

const vm = 'vm.web' as Address;
const qemu = qemuCapabilities('/usr/bin/qemu-system-x86_64', '7.2.22', 'kvm');
const hypervisor: Capabilities = {
  ...qemu,
  driver: 'cloud-hypervisor',
  version: '53.0',
  userNetwork: false,
  cpusMax: 64,
};
const both: readonly Detected[] = [
  { available: true, capabilities: hypervisor },
  { available: true, capabilities: qemu },
];
const onlyQemu: readonly Detected[] = [
  { available: false, driver: 'cloud-hypervisor', reason: 'it is not installed', hint: 'get it' },
  { available: true, capabilities: qemu },
];
const none: readonly Detected[] = [
  { available: false, driver: 'cloud-hypervisor', reason: 'it is not installed' },
  { available: false, driver: 'qemu', reason: 'it is too old', hint: 'sudo apt-get install qemu-system-x86' },
];

const cases: readonly {
  readonly name: string;
  readonly request: Partial<DriverRequest>;
  readonly detected: readonly Detected[];
  readonly want: unknown;
}[] = [
  {
    name: 'auto takes the first that is there',
    request: {},
    detected: both,
    want: { chosen: hypervisor, others: [{ driver: 'qemu', reason: 'cloud-hypervisor comes first' }] },
  },
  {
    name: 'auto says why the first was not there',
    request: {},
    detected: onlyQemu,
    want: { chosen: qemu, others: [{ driver: 'cloud-hypervisor', reason: 'it is not installed' }] },
  },
  {
    name: 'auto passes over one that cannot do what the file asks',
    request: { needs: { userNetwork: vm } },
    detected: both,
    want: { chosen: qemu, others: [{ driver: 'cloud-hypervisor', reason: /no user network, which vm.web needs/ }] },
  },
  {
    name: 'auto stays with what runs the sandbox',
    request: { current: { driver: 'qemu', runs: true, capabilities: qemu } },
    detected: both,
    want: { chosen: qemu, others: [{ driver: 'cloud-hypervisor', reason: 'qemu runs this sandbox already' }] },
  },
  {
    name: 'auto stays with what runs the sandbox also where it could not start it now',
    request: { current: { driver: 'cloud-hypervisor', runs: true, capabilities: hypervisor } },
    detected: onlyQemu,
    want: {
      chosen: hypervisor,
      unsure: { reason: 'it is not installed', certain: true },
      others: [{ driver: 'qemu', reason: 'cloud-hypervisor runs this sandbox already' }],
    },
  },
  {
    name: 'auto stays with what was recorded, while nobody knows whether it works',
    request: { current: { driver: 'cloud-hypervisor', runs: false, capabilities: qemu } },
    detected: [
      { available: false, driver: 'cloud-hypervisor', reason: 'no time', undecided: true, capabilities: hypervisor },
      { available: true, capabilities: qemu },
    ],
    want: { chosen: hypervisor, unsure: { reason: 'no time', certain: false } },
  },
  {
    name: 'auto gives up what is surely gone and runs nothing',
    request: { current: { driver: 'cloud-hypervisor', runs: false, capabilities: hypervisor } },
    detected: onlyQemu,
    want: { chosen: qemu },
  },
  {
    name: 'auto takes another for a new sandbox, while nobody knows whether the first works',
    request: {},
    detected: [
      { available: false, driver: 'cloud-hypervisor', reason: 'no time', undecided: true, capabilities: hypervisor },
      { available: true, capabilities: qemu },
    ],
    want: { chosen: qemu, others: [{ driver: 'cloud-hypervisor', reason: 'no time' }] },
  },
  {
    name: 'auto leaves what runs the sandbox when the file has outgrown it',
    request: {
      current: { driver: 'cloud-hypervisor', runs: true, capabilities: hypervisor },
      needs: { cpus: { address: vm, max: 65 } },
    },
    detected: both,
    want: { chosen: qemu, others: [{ driver: 'cloud-hypervisor', reason: /at most 64 vCPUs and vm.web asks for 65/ }] },
  },
  {
    name: 'the first is taken when none can do everything, so that the planner says where',
    request: { needs: { memory: { address: vm, leastBytes: 1 } } },
    detected: both,
    want: { chosen: hypervisor, others: [{ driver: 'qemu', reason: /needs 100663296 bytes of memory/ }] },
  },
  {
    name: 'too many devices count',
    request: { needs: { devices: { address: vm, count: 31 } } },
    detected: [{ available: true, capabilities: { ...hypervisor, devicesMax: 10 } }, ...both.slice(1)],
    want: { chosen: { driver: 'cloud-hypervisor' }, others: [{ reason: /at most 30 disks and NICs/ }] },
  },
  {
    name: 'a named driver is taken as it is',
    request: { vmm: 'qemu', needs: { cpus: { address: vm, max: 1000 } } },
    detected: both,
    want: { chosen: qemu, others: [] },
  },
];

for (const { name, request, detected, want } of cases) {
  t.test(name, async (t) => {
    const choice = chooseDriver({ vmm: 'auto', needs: {}, ...request }, detected);
    t.match(choice, { ok: true, value: want });
  });
}

t.test('no VMM is a diagnostic with every reason, and with what to do', async (t) => {
  t.match(chooseDriver({ vmm: 'auto', needs: {} }, none), {
    ok: false,
    diagnostics: [
      {
        code: 'SBX3102',
        detail: 'cloud-hypervisor: it is not installed. qemu: it is too old.',
        hint: 'sudo apt-get install qemu-system-x86',
      },
    ],
  });
  t.match(chooseDriver({ vmm: 'cloud-hypervisor', needs: {} }, onlyQemu), {
    ok: false,
    diagnostics: [{ code: 'SBX3102', detail: 'cloud-hypervisor: it is not installed.', hint: 'get it' }],
  });
});

t.test('what a file needs is what its most demanding VMs ask for', async (t) => {
  const small = machine('vm.small', { cpus: 1, memory: 128, disks: 1, nics: 0 });
  const large = machine('vm.large', { cpus: 8, memory: 512, disks: 2, nics: 1 });
  const desired = { resources: new Map([small, large].map((one) => [one.address, one])) } as unknown as Desired;
  const common = {
    cpus: { address: 'vm.large', max: 8 },
    memory: { address: 'vm.small', leastBytes: 128 },
    devices: { address: 'vm.large', count: 3 },
  };
  t.strictSame(driverNeeds(desired, 'namespace'), common);
  t.strictSame(driverNeeds(desired, 'user-net'), { userNetwork: 'vm.large', ...common });
  t.strictSame(driverNeeds({ resources: new Map() } as unknown as Desired, 'user-net'), {});
});

function machine(
  address: string,
  has: { readonly cpus: number; readonly memory: number; readonly disks: number; readonly nics: number },
): DesiredVm {
  const map = (count: number) => new Map(Array.from({ length: count }, (_, index) => [`d${index}`, {}]));
  return {
    kind: 'vm',
    address,
    cpus: { count: 1, max: has.cpus },
    memory: { sizeBytes: has.memory, maxBytes: has.memory },
    disks: map(has.disks),
    nics: map(has.nics),
  } as unknown as DesiredVm;
}
