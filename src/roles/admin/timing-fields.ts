/**
 * What a schedule can be told, each thing once: the schedule flags of a verb, the keys of a
 * Schedule manifest, and how a schedule is shown, follow from here.
 */
import type { Shape } from '../../net/layout.ts';
import type { Field } from './fields.ts';
import * as forms from './forms.ts';

/** `inUs` counts from now, and `schedule` is the name: neither stands in a manifest. */
export type TimingKey = Exclude<keyof Shape<'timing'>, 'inUs' | 'schedule'>;

export const timingFields: readonly Field<TimingKey>[] = [
  {
    ...{ option: '--at', path: 'at', form: forms.instantUs, keys: ['at'] },
    about: 'Schedule: at this instant (RFC 3339)',
  },
  {
    ...{ option: '--every', path: 'every', form: forms.durationUs, keys: ['everyUs'] },
    about: 'Schedule: again and again, 100ms at least',
  },
  {
    ...{ option: '--from', path: 'from', form: forms.instantUs, keys: ['fromUs'] },
    about: 'With --every: counted from here, not from now',
  },
  {
    ...{ option: '--cron', path: 'cron', form: forms.text, keys: ['cron'] },
    about: 'Schedule: a cron rule of 5 or 6 fields',
  },
  {
    ...{ option: '--tz', path: 'tz', form: forms.text, keys: ['tz'] },
    about: "With --cron: a zone, or local (the node's); UTC",
  },
  {
    ...{ option: '--until', path: 'until', form: forms.instantUs, keys: ['untilUs'] },
    about: 'Schedule: no instant after this one',
  },
  {
    ...{ option: '--count', path: 'count', form: forms.count(), keys: ['count'] },
    about: 'Schedule: so many instants',
  },
  {
    ...{ option: '--missed', path: 'missed', keys: ['missed'] },
    form: forms.word('skip', 'once', 'all'),
    about: 'Of missed instants: skip, once or all',
  },
  {
    ...{ option: '--overlap', path: 'overlap', keys: ['overlap'] },
    form: forms.word('forbid', 'queue', 'replace', 'allow'),
    about: 'If it still runs: forbid, queue, replace or allow',
  },
  {
    ...{ option: '--max-clock-error', path: 'maxClockError', form: forms.durationUs },
    keys: ['maxClockErrorUs'],
    about: 'Schedule: skip where the clock is not known as well as this',
  },
  {
    ...{ option: '--splay', path: 'splay', form: forms.durationUs, keys: ['splayUs'] },
    about: 'Schedule: spread the nodes over so long',
  },
];
