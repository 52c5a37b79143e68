// Collects the diagnostics of one expansion: no two alike, a hundred at most, each with its place in a file.
import type { NonEmpty } from '../checked.ts';
import { type Code, codes } from '../codes.ts';
import { type Diagnostic, diagnostic, type Particulars, type Place } from '../diagnostic.ts';
import type { Aspect, Document, Path } from '../load/document.ts';
import { mostProblems, stoppedLooking, tooMany } from '../load/schema-problems.ts';

/** Where to report to. */
export interface Reporter {
  /** Adds a problem at a path of the file; the same words at the same path count once */
  readonly report: (code: Code, path: Path, particulars: Omit<Particulars, 'place'>, aspect?: Aspect) => void;
  /** Place of a path, through the template when the VM got it from there */
  readonly place: (path: Path, aspect?: Aspect) => Place | undefined;
  /** Notes which template a VM takes */
  readonly setTemplate: (vm: string, template: string) => void;
  readonly diagnostics: () => readonly Diagnostic[];
  readonly hasErrors: () => boolean;
  /** Whether so much is wrong that looking for more would only cost time */
  readonly isFull: () => boolean;
}

/** Errors, repeated ones included, after which nobody looks for more. */
const mostLookedFor = 10_000;
/** Different errors that are counted. */
const mostCounted = 1000;

/** Makes the reporter of one expansion. */
export function reporterFor(document: Document): Reporter {
  const found: Diagnostic[] = [];
  const seen = new Set<string>();
  const templates = new Map<string, string>();
  let errors = 0;
  let left = 0;

  const isFull = (): boolean => errors >= mostLookedFor || found.length + left >= mostCounted;

  const place = (path: Path, aspect: Aspect = 'value'): Place | undefined => {
    const [top, name, ...rest] = path;
    const template = top === 'vms' ? templates.get(String(name)) : undefined;
    if (template === undefined || rest.length === 0) return document.place(path, aspect);
    const alternatives: NonEmpty<Path> = [path, ['templates', template, ...rest]];
    const exact = alternatives.map((each) => document.exactPlace(each, aspect)).find((each) => each !== undefined);
    return exact ?? document.place(path, aspect);
  };

  return {
    report: (code, path, particulars, aspect) => {
      // A circle is the same from wherever it is entered
      const id = `${code} ${code === 'SBX2105' ? '' : path.join('\0')} ${particulars.detail}`;
      const error = codes[code].severity === 'error';
      if (error) errors += 1;
      if (seen.has(id) || isFull()) return;
      seen.add(id);
      if (found.length >= mostProblems) {
        if (error) left += 1;
        return;
      }
      const at = place(path, aspect);
      found.push(diagnostic(code, { ...particulars, ...(at === undefined ? {} : { place: at }) }));
    },
    place,
    setTemplate: (vm, template) => templates.set(vm, template),
    diagnostics: () => (isFull() ? [...found, stoppedLooking(left)] : left === 0 ? found : [...found, tooMany(left)]),
    hasErrors: () => errors > 0,
    isFull,
  };
}
