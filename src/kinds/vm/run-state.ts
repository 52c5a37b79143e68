// Whether a VM runs as it should: started, stopped, resumed, waited for; and which of that is drift.
import { hasProcess, holdsGuest, type VmObservation } from '../../core/observed.ts';
import type { PlanContext } from '../../core/plan/context.ts';
import type { Drift, FieldChange, Impact } from '../../core/plan/plan.ts';
import { shown } from '../../core/plan/values.ts';
import type { VmAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';
import { impactTable } from '../impacts.ts';
import { shallRun } from './steps.ts';

/** What must be done to the VM's process, beside its fields. */
export interface RunState {
  /** `room`: nothing can be done before somebody makes room on the host's disk */
  readonly need: 'nothing' | 'start' | 'stop' | 'resume' | 'restart' | 'wait' | 'record' | 'room';
  readonly fields: readonly FieldChange[];
  readonly drift: readonly Drift[];
}

const asIs: RunState = { need: 'nothing', fields: [], drift: [] };

/** Least room in `bytes` with which a guest whose write failed is let go on: less would hold it again at once. */
export const resumeRoomBytes: number = 64 * 1024 * 1024;

/** Compares the state that is wanted with the one that is seen. */
export function runStateOf(
  attrs: VmAttrs,
  record: VmRecord,
  observation: VmObservation,
  context: PlanContext,
): RunState {
  const ran = shallRun(record.attrs);
  if (!shallRun(attrs)) return stopped(attrs, record, observation, ran);
  const { state } = observation;
  if (state === 'running' || state === 'paused' || state === 'blocked') {
    if (record.pending?.op === 'vm.start') return startAgain(state);
    if (restartAsked(record, context)) return restartAsAsked(state);
  }
  const seen = wordsOf(observation);
  switch (state) {
    case 'running':
      return running(record, attrs, ran);
    case 'paused':
      return repair('resume', record, seen, 'live', 'it goes on where it was', ran);
    case 'blocked':
      return blocked(record, seen, context, ran);
    case 'exited':
      return exited(record, attrs, context, ran);
    case 'absent':
      return start(record, 'stopped', ran);
    case 'dead':
    case 'halted':
      return start(record, seen, ran);
    case 'lost':
      return repair('restart', record, seen, 'restart', 'nobody can speak to it any more', ran);
    case 'unresponsive':
      if (observation.atWork === true) return leftAlone(record, seen, context, ran);
      return repair('restart', record, seen, 'restart', 'it does not answer', ran);
  }
}

/** A healthy VM on a host that is too busy is not ended for its silence, unless that is asked for. */
function leftAlone(record: VmRecord, seen: string, context: PlanContext, ran: boolean): RunState {
  if (restartAsked(record, context)) return restartAsAsked(seen);
  const remedy = 'none: it is left alone; sbx restart ends it and starts it anew';
  return { need: 'nothing', fields: [], drift: ran ? [driftOf(record, 'running', seen, remedy)] : [] };
}

function exited(record: VmRecord, attrs: VmAttrs, context: PlanContext, ran: boolean): RunState {
  if (cutShort(record)) return start(record, 'stopped', false);
  if (attrs.onExit === 'keep' && ran) return restartAsked(record, context) ? start(record, 'exited', false) : asIs;
  return start(record, 'exited', ran);
}

/** State and reason, for people. */
function wordsOf(observation: VmObservation): string {
  return 'reason' in observation ? `${observation.state}: ${observation.reason}` : observation.state;
}

function restartAsked(record: VmRecord, context: PlanContext): boolean {
  return context.options.restart.includes(record.address);
}

function restartAsAsked(seen: string): RunState {
  return { need: 'restart', drift: [], fields: [stateField(seen, 'running', 'restart', 'asked for')] };
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

function running(record: VmRecord, attrs: VmAttrs, ran: boolean): RunState {
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

/** A write failed for want of room: the guest lost nothing, and goes on as soon as there is some. */
function blocked(record: VmRecord, seen: string, { observed }: PlanContext, ran: boolean): RunState {
  if (observed.host.diskAvailableBytes >= resumeRoomBytes)
    return repair('resume', record, seen, 'live', 'there is room again, and it goes on where it was', ran);
  return {
    need: 'room',
    fields: [],
    drift: [driftOf(record, 'running', seen, 'none before there is room: it then goes on where it was')],
  };
}

/** Whatever lives of it is ended, and what is left of what died is cleared: the step that does that is never left out. */
function stopped(attrs: VmAttrs, record: VmRecord, observation: VmObservation, ran: boolean): RunState {
  const lives = hasProcess(observation);
  if (!ran && !lives) return asIs;
  const cost = impactTable['vms.*.state'].cases.stopped;
  const why = attrs.hold ? 'held by sbx stop' : cost.why;
  const seen = lives ? wordsOf(observation) : 'running';
  const fields = [stateField(seen, 'stopped', holdsGuest(observation) ? cost.impact : 'live', why)];
  return { need: 'stop', fields, drift: ran ? [] : [driftOf(record, 'stopped', seen, 'stop it')] };
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
