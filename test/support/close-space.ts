// close-space.ts HOME INSTANCE RUN DONE: closes a sandbox as `sbx destroy` does when the holder starts it, then writes DONE.
import { writeFileSync } from 'node:fs';
import { closeSpace } from '../../src/host/space.ts';

const [, , home = '', instance = '', runDir = '', done = ''] = process.argv;
await closeSpace({ home, instance, runDir, facts: {} });
writeFileSync(done, '');
