// Whether a VM runs as it should: started, stopped, resumed, waited for; and which of that is drift.
import type { VmObservation } from '../../core/observed.ts';
import type { PlanContext } from '../../core/plan/context.ts';
import type { Drift, FieldChange, Impact } from '../../core/plan/plan.ts';
import { shown } from '../../core/plan/values.ts';
import type { VmAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';
import { impactTable } from '../impacts.ts';
import { shallRun } from './steps.ts';

/** What must be done to the VM's process, beside its fields. */
export interface RunState {
  readonly need: 'nothing' | 'start' | 'stop' | 'resume' | 'restart' | 'wait' | 'record';
  readonly fields: readonly FieldChange[];
  readonly drift: readonly Drift[];
}

const asIs: RunState = { need: 'nothing', fields: [], drift: [] };

/** Compares the state that is wanted with the one that is seen. */
export function runStateOf(
  attrs: VmAttrs,
  record: VmRecord,
  observation: VmObservation,
  context: PlanContext,
): RunState {
  const ran = shallRun(record.attrs);
  if (!shallRun(attrs)) return stopped(attrs, record, observation, ran);
  const alive = observation.state === 'running' || observation.state === 'paused';
  if (alive && record.pending?.op === 'vm.start') return startAgain(observation.state);
  switch (observation.state) {
    case 'running':
      return running(record, attrs, context, ran);
    case 'paused':
      return repair('resume', record, 'paused', 'live', 'it goes on where it was', ran);
    case 'exited':
      if (cutShort(record)) return start(record, 'stopped', false);
      if (attrs.onExit === 'keep' && ran) return restartAsked(record, context) ? start(record, 'exited', false) : asIs;
      return start(record, 'exited', ran);
    case 'absent':
      return start(record, 'stopped', ran);
    case 'dead':
      return start(record, `dead: ${observation.reason}`, ran);
    case 'unresponsive':
      if (observation.atWork === true) return leftAlone(record, observation.reason, context, ran);
      return repair('restart', record, `unresponsive: ${observation.reason}`, 'restart', 'it does not answer', ran);
  }
}

/** A healthy VM on a host that is too busy is not ended for its silence, unless that is asked for. */
function leftAlone(record: VmRecord, reason: string, context: PlanContext, ran: boolean): RunState {
  if (restartAsked(record, context))
    return {
      need: 'restart',
      drift: [],
      fields: [stateField(`unresponsive: ${reason}`, 'running', 'restart', 'asked for')],
    };
  const remedy = 'none: it is left alone; sbx restart ends it and starts it anew';
  return {
    need: 'nothing',
    fields: [],
    drift: ran ? [driftOf(record, 'running', `unresponsive: ${reason}`, remedy)] : [],
  };
}

function restartAsked(record: VmRecord, context: PlanContext): boolean {
  return context.options.restart.includes(record.address);
}

/** What a VM was started with stands in the record of its start: one that was never written cannot be made up later. */
function startAgain(seen: string): RunState {
  const reason = 'an earlier apply was cut short while it started it';
  return { need: 'restart', drift: [], fields: [stateField(seen, 'running', 'restart', reason)] };
}

/** An apply was killed while it stopped or started the VM: the end that is seen is not the guest's own. */
function cutShort({ pending }: VmRecord): boolean {
  return pending?.op === 'vm.stop' || pending?.op === 'vm.start';
}

function running(record: VmRecord, attrs: VmAttrs, context: PlanContext, ran: boolean): RunState {
  if (restartAsked(record, context)) {
    return { need: 'restart', drift: [], fields: [stateField('running', 'running', 'restart', 'asked for')] };
  }
  // Somebody started what sbx holds stopped, and now the file wants it so: only the record is behind.
  if (!ran) return { need: 'record', drift: [], fields: [stateField('stopped', 'running', 'live', 'it runs already')] };
  if (record.pending?.op === 'vm.ready' && attrs.ready !== null) {
    return {
      need: 'wait',
      drift: [],
      fields: [{ ...stateField('running', 'ready', 'live', 'an earlier apply did not see it ready'), field: 'ready' }],
    };
  }
  return asIs;
}

function stopped(attrs: VmAttrs, record: VmRecord, observation: VmObservation, ran: boolean): RunState {
  const cost = impactTable['vms.*.state'].cases.stopped;
  const why = attrs.hold ? 'held by sbx stop' : cost.why;
  switch (observation.state) {
    case 'running':
    case 'paused':
    case 'unresponsive': {
      const fields = [stateField(observation.state, 'stopped', cost.impact, why)];
      const drift = ran ? [] : [driftOf(record, 'stopped', observation.state, 'stop it')];
      return { need: 'stop', fields, drift };
    }
    case 'exited':
    case 'absent':
    case 'dead':
      return ran ? { need: 'record', drift: [], fields: [stateField('running', 'stopped', 'live', why)] } : asIs;
  }
}

function start(record: VmRecord, seen: string, isDrift: boolean): RunState {
  const drift = isDrift ? [driftOf(record, 'running', seen, 'start it')] : [];
  const { running } = impactTable['vms.*.state'].cases;
  return { need: 'start', drift, fields: [stateField(seen, 'running', running.impact, running.why)] };
}

function repair(
  need: 'resume' | 'restart',
  record: VmRecord,
  seen: string,
  impact: Impact,
  reason: string,
  isDrift: boolean,
): RunState {
  const drift = isDrift ? [driftOf(record, 'running', seen, `${need} it`)] : [];
  return { need, drift, fields: [stateField(seen, 'running', impact, reason)] };
}

function stateField(from: string, to: string, impact: Impact, reason: string): FieldChange {
  return { field: 'state', from: shown(from), to: shown(to), impact, reason };
}

function driftOf(record: VmRecord, recorded: string, observed: string, remedy: string): Drift {
  return { address: record.address, field: 'state', recorded: shown(recorded), observed: shown(observed), remedy };
}
