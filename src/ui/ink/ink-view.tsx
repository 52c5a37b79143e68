// An apply drawn on a terminal. The only module that loads Ink and React, and itself loaded only when it draws.
import { Box, render, Text } from 'ink';
import type { ReactElement } from 'react';
import { makePaint } from '../../core/render/paint.ts';
import { driverTitle, sandboxTitle } from '../../core/render/plan-model.ts';
import type { View, ViewOptions } from '../view.ts';
import { startProgress, takeEvent } from './progress.ts';
import { treeLines } from './tree.ts';

/** Time between two frames in `ms`. */
const frameMs = 100;

/** The lines of one frame; each is cut by Ink where it is too wide. */
export function Frame({ lines }: { readonly lines: readonly string[] }): ReactElement {
  return (
    <Box flexDirection="column">
      {lines.map((line, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line of a frame has no identity but its place
        <Text key={at} wrap="truncate-end">
          {line}
        </Text>
      ))}
    </Box>
  );
}

/** A view that draws a tree of resources, at most ten times a second. `now` is a clock in `ms`. */
export function makeInkView(options: ViewOptions, now: () => number = () => performance.now()): View {
  const { stream, plan } = options;
  const paint = makePaint(options.color);
  const progress = startProgress(plan, now());
  const verb = plan.mode === 'destroy' ? 'Destroying' : 'Applying';
  const driver = plan.driver === undefined ? '' : ` on ${driverTitle(plan.driver.chosen.driver)}`;
  const frame = (): ReactElement => {
    const { columns = 80, rows = 24 } = stream;
    const title = `${verb} ${sandboxTitle(plan.sandbox)}${driver}`;
    return <Frame lines={treeLines(progress, { title, width: columns, height: rows - 1, nowMs: now(), paint })} />;
  };
  const ink = render(frame(), {
    stdout: stream as NodeJS.WriteStream,
    exitOnCtrlC: false,
    patchConsole: false,
    maxFps: 1000 / frameMs,
  });
  const ticking = setInterval(() => {
    // A terminal that is slow, or stands still, gets fewer frames instead of a queue of them.
    if (stream.writableNeedDrain !== true) ink.rerender(frame());
  }, frameMs);
  let open = true;
  return {
    emit: (event) => takeEvent(progress, event, now()),
    interrupting: () => {
      progress.interrupted = true;
    },
    close: async () => {
      if (!open) return;
      open = false;
      clearInterval(ticking);
      ink.rerender(frame());
      ink.unmount();
      await ink.waitUntilExit();
    },
  };
}
