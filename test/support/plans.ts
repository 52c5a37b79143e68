// Plans made by hand, for tests of what shows them.
import type { Address } from '../../src/core/address.ts';
import { diagnostic } from '../../src/core/diagnostic.ts';
import type { Capabilities } from '../../src/core/plan/capabilities.ts';
import type { FieldChange, Plan, PlanValue } from '../../src/core/plan/plan.ts';

export const at = (text: string): Address => text as Address;
export const is = (value: string | number | boolean | null): PlanValue => ({ value });
export const absent: PlanValue = { absent: true };
export const hidden: PlanValue = { sensitive: true };
export const free = { downtimeMs: 0, lostDisks: [], touches: [] };

export const qemu: Capabilities = {
  driver: 'qemu',
  version: '7.2.22',
  path: '/usr/bin/qemu-system-x86_64',
  acceleration: 'tcg',
  cpuGrow: 'live',
  cpuShrink: 'restart',
  memoryGrow: 'live',
  memoryShrink: 'restart',
  diskAttach: 'live',
  diskDetach: 'live',
  diskGrow: 'live',
  nicAttach: 'live',
  nicDetach: 'live',
  memoryStepBytes: 2 ** 20,
  memoryMinBytes: 2 ** 25,
  cpusMax: 255,
  devicesMax: 20,
  userNetwork: true,
  notes: [],
};

export const emptyPlan: Plan = {
  format_version: 1,
  sandbox: { name: 'shop' },
  prior: { lineage: '0b0c', serial: 7 },
  mode: 'apply',
  driver: { chosen: qemu, others: [{ driver: 'cloud-hypervisor', reason: 'cloud-hypervisor is not on PATH.' }] },
  changes: [],
  drift: [],
  unchanged: 5,
  steps: [],
  outputs: [],
  impact: null,
  warnings: [],
};

const created = (field: string, to: PlanValue, unit?: 'bytes'): FieldChange => ({
  field,
  from: absent,
  to,
  impact: 'live',
  reason: '',
  ...(unit === undefined ? {} : { unit }),
});

/** A first apply: three resources are created. */
export const firstPlan: Plan = {
  ...emptyPlan,
  unchanged: 0,
  impact: 'live',
  changes: [
    {
      action: 'create',
      address: at('network.lan'),
      steps: ['network.lan/network.ensure'],
      price: free,
      resumes: false,
      fields: [created('mode', is('nat')), created('subnet', is('10.68.0.0/24'))],
    },
    {
      action: 'create',
      address: at('volume.pg'),
      steps: [],
      price: free,
      resumes: true,
      fields: [created('size', is(10 * 2 ** 30), 'bytes'), created('protect', is(true))],
    },
    {
      action: 'create',
      address: at('vm.web[0]'),
      steps: [],
      price: free,
      resumes: false,
      fields: [
        created('image', is('image.base')),
        created('cpus.count', is(2)),
        created('memory.size', is(512 * 2 ** 20), 'bytes'),
        created('env.TOKEN', hidden),
        created('networks.lan', { value: { address: '10.68.0.10', ports: ['5432'] } }),
        created('cloud_init', is('#!/bin/sh\necho hello\n')),
      ],
    },
  ],
  outputs: [{ name: 'web', from: absent, to: is('10.68.0.10') }],
  warnings: [diagnostic('SBX5001', { detail: 'A warning for the test.' })],
};

/** Everything that a plan can say at once. */
export const richPlan: Plan = {
  ...emptyPlan,
  sandbox: { name: 'shop', instance: 'pr-17' },
  unchanged: 12,
  impact: 'replace',
  drift: [
    {
      address: at('vm.db'),
      field: 'memory.size',
      recorded: is(512 * 2 ** 20),
      observed: is(2 ** 30),
      remedy: 'is set back',
      unit: 'bytes',
    },
    { address: at('vm.db'), field: 'cpus.count', recorded: is(2), observed: is(3), remedy: '' },
    { address: at('sandbox'), field: 'holder', recorded: is('present'), observed: is('absent'), remedy: 'is started' },
  ],
  changes: [
    {
      action: 'update',
      address: at('vm.db'),
      steps: [],
      impact: 'live',
      price: free,
      fields: [
        {
          field: 'memory.size',
          from: is(2 ** 30),
          to: is(512 * 2 ** 20),
          impact: 'live',
          reason: 'the guest gives memory back while it runs',
          unit: 'bytes',
        },
        { field: 'disks.data', from: absent, to: is('volume.pg'), impact: 'live', reason: 'is plugged in' },
      ],
    },
    {
      action: 'update',
      address: at('vm.api'),
      steps: [],
      impact: 'restart',
      because: 'the file changed',
      price: { downtimeMs: 6200, lostDisks: [], touches: [at('vm.web[0]'), at('vm.web[1]')] },
      fields: [
        {
          field: 'cpus.max',
          from: is(4),
          to: is(8),
          impact: 'restart',
          reason: 'the maximum is fixed when a VM starts',
        },
        { field: 'env.TOKEN', from: hidden, to: hidden, impact: 'next-boot', reason: 'read at boot' },
        {
          field: 'cloud_init',
          from: is('#!/bin/sh\nset -e\napt-get update\necho one\n'),
          to: is('#!/bin/sh\nset -e\napt-get update\necho two\n'),
          impact: 'restart',
          reason: 'read at boot',
        },
      ],
    },
    {
      action: 'replace',
      address: at('vm.web[0]'),
      steps: [],
      because: 'image.base changed',
      price: {
        downtimeMs: 12_000,
        lostDisks: [
          { name: 'root', sizeBytes: null },
          { name: 'scratch', sizeBytes: 2 * 2 ** 30 },
        ],
        touches: [],
      },
      fields: [{ field: 'image', from: is('image.base'), to: is('image.next'), impact: 'replace', reason: '' }],
    },
    { action: 'delete', address: at('vm.old'), steps: [], price: free, because: 'it is no longer in the file' },
    { action: 'forget', address: at('volume.pg'), steps: [], price: free, because: 'it is protected' },
  ],
  outputs: [
    { name: 'db', from: is('10.68.0.10'), to: is('10.68.0.11') },
    { name: 'old', from: is('x'), to: absent },
    { name: 'token', from: hidden, to: hidden },
  ],
};
