// The state as text: JSON with one resource per line, so that people can read it and compare two of them.
import type { State } from './state.ts';

/** Text of a state file. Members in a fixed order; resources and outputs a line each. */
export function formatState(state: State): string {
  const { resources, outputs, ...header } = state;
  const { format_version, sbx_version, lineage, serial, name, ...rest } = header;
  const top = JSON.stringify({ format_version, sbx_version, lineage, serial, name, ...rest }, null, 1).slice(0, -2);
  const lines = resources.map((record) => `  ${JSON.stringify(record)}`).join(',\n');
  const ends = Object.entries(outputs).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  return `${top},\n "resources": [\n${lines}\n ],\n "outputs": {\n${ends.join(',\n')}\n }\n}\n`;
}
