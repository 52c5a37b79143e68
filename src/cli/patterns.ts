// Compiles the patterns that a file declares for its variables. The engine has a linear time whatever the pattern, and is
// loaded only when there is one.
import type { Pattern } from '../core/expand/patterns.ts';
import type { RawSandbox } from '../core/load/raw.ts';

/** Most instructions of all patterns of a file together: compiling as many takes a second or two. */
const mostInstructions = 100_000;

/** Patterns by their source; one that is no regular expression, or too large beside the others, is left out. */
export async function compilePatterns(root: RawSandbox): Promise<ReadonlyMap<string, Pattern>> {
  const patterns = new Map<string, Pattern>();
  const sources = new Set(Object.values(root.variables ?? {}).flatMap(({ pattern }) => pattern ?? []));
  if (sources.size === 0) return patterns;
  const { RE2JS, RE2JSException } = await import('re2js');
  let left = mostInstructions;
  for (const source of sources) {
    if (left <= 0) break;
    try {
      // Also takes what JavaScript writes in another way: \u0041, (?<name>…)
      const program = RE2JS.compile(RE2JS.translateRegExp(source));
      const size = program.programSize();
      left -= size;
      patterns.set(source, { size, matches: (text) => program.testExact(text) });
    } catch (error) {
      if (!(error instanceof RE2JSException)) throw error;
    }
  }
  return patterns;
}
