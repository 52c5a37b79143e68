// How long the driver waits for what. Guests under emulation on a busy host are slow, so these are generous.

export interface QemuLimits {
  /** Spawn to an answering socket, in `ms` */
  readonly startMs: number;
  /** Answers to an observation; another client may hold the socket for about a second, in `ms`. A plan is to be told within five */
  readonly observeMs: number;
  /** Greeting and each answer of an operation, in `ms` */
  readonly askMs: number;
  /** The guest's release of a device, in `ms` */
  readonly releaseMs: number;
  /** A resize that makes no progress, in `ms` */
  readonly stallMs: number;
  /** A press of the power button until the next, in `ms` */
  readonly pressMs: number;
}

export const defaultLimits: QemuLimits = {
  startMs: 60_000,
  observeMs: 5000,
  askMs: 30_000,
  releaseMs: 20_000,
  stallMs: 30_000,
  pressMs: 1000,
};
