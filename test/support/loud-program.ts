// sbx as it is, but for services that have very much to say, or the share of it that SHARE names.
import { main } from '../../src/main.ts';
import { loudServices } from './loud-services.ts';

const { SHARE = '1' } = process.env;
await main(process, { createServices: () => loudServices({ share: Number(SHARE) }) });
