// Words of steps are true for what happens, also where a step finds done what it is for.
import t from 'tap';
import { doingWords, doneWords } from '../../../src/core/render/step-words.ts';

t.test('no step that keeps what is there says that it makes it', async (t) => {
  for (const op of ['vm.disk-create', 'image.ensure', 'network.ensure', 'sandbox.open'] as const)
    t.notMatch(`${doingWords(op)} ${doneWords(op)}`, /creat|\bma(?:king|de)\b/, op);
});

t.test('no step that also meets a VM that is off says that it stops it', async (t) => {
  t.notMatch(`${doingWords('vm.stop')} ${doneWords('vm.stop')}`, /stop/);
});
