/**
 * The one registry of body keys: name → number and type. Every message, every nested map, every
 * journal record and the Wireshark module read it, so a name means the same thing everywhere.
 *
 * Rules: a number is never reused and never changes its type; 0..23 take one byte on the wire and
 * go to the hottest keys; names that the header or the dissector generate (`reserved`) are not
 * available. Units stand in the name. Source: PROTOCOL, "Keys".
 *
 * Types: `uint`, `int` (both within ±2^53), `float`, `text`, `bytes`, `bool`, `time` (µs since
 * 1970, uint), `texts` (list of text), `uints`, `strmap` (text → text, sorted), `{ map: shape }`
 * and `{ list: shape }`, where a shape (layout.ts) says which keys a nested map must and may hold.
 */

export const keys = {
  // 0..23: the hottest
  task: [0, 'text'],
  node: [1, 'text'],
  run: [2, 'text'],
  seq: [3, 'uint'],
  at: [4, 'time'],
  errorUs: [5, 'uint'],
  offset: [6, 'uint'],
  data: [7, 'bytes'],
  processState: [8, 'text'],
  pid: [9, 'uint'],
  operation: [10, 'text'],
  generation: [11, 'uint'],
  reports: [12, { list: 'report' }],
  items: [13, { list: 'item' }],
  ok: [14, 'bool'],
  cpuPercent: [15, 'float'],
  memoryBytes: [16, 'uint'],
  samples: [17, { list: 'sample' }],
  errorCode: [18, 'uint'],
  text: [19, 'text'],
  order: [20, 'text'],
  stream: [21, 'text'],
  key: [22, 'bytes'],
  process: [23, { map: 'process' }],

  // names and identity
  bundle: [24, 'text'],
  digest: [25, 'text'],
  sizeBytes: [26, 'uint'],
  uid: [27, 'text'],
  fleet: [28, 'text'],
  journal: [29, 'text'],
  instance: [30, 'text'],
  role: [31, 'text'],
  scope: [32, 'text'],
  build: [33, 'text'],
  features: [34, 'texts'],
  csr: [35, 'bytes'],
  certificate: [36, 'text'],
  authority: [37, 'text'],
  spki: [38, 'text'],
  token: [39, 'text'],
  addresses: [40, 'texts'],
  labels: [41, 'strmap'],
  labelsRemoved: [42, 'texts'],
  identity: [43, 'text'],
  boot: [44, 'text'],
  who: [45, 'text'],
  origin: [46, 'text'],
  hint: [47, 'text'],

  // tasks and verbs
  spec: [48, { map: 'spec' }],
  command: [49, 'texts'],
  on: [50, 'text'],
  user: [51, 'text'],
  cwd: [52, 'text'],
  env: [53, 'strmap'],
  stopSignal: [54, 'text'],
  stopGraceMs: [55, 'uint'],
  keepRuns: [56, 'uint'],
  keepForMs: [57, 'uint'],
  enabled: [58, 'bool'],
  revision: [59, 'uint'],
  targets: [60, 'texts'],
  arguments: [61, 'texts'],
  signal: [62, 'text'],
  force: [63, 'bool'],
  wait: [64, 'bool'],
  expiresAt: [65, 'time'],
  expiresMs: [66, 'uint'],
  mode: [67, 'text'],
  unchanged: [68, 'bool'],
  replace: [69, 'bool'],
  verb: [70, 'text'],
  answers: [71, { list: 'answer' }],
  names: [72, 'texts'],
  entry: [73, 'text'],
  stdin: [74, 'bool'],
  tty: [75, 'bool'],
  rows: [76, 'uint'],
  columns: [77, 'uint'],
  last: [78, 'bool'],
  waitFor: [79, 'text'],
  live: [80, 'bool'],

  // processes
  startedAt: [81, 'time'],
  exitedAt: [82, 'time'],
  exitCode: [83, 'uint'],
  restarts: [84, 'uint'],
  status: [85, 'text'],
  reason: [86, 'text'],
  suspendedAt: [87, 'time'],
  createdAt: [88, 'time'],
  wish: [89, 'text'],
  previous: [90, 'text'],
  cpuMs: [91, 'uint'],
  maxMemoryBytes: [92, 'uint'],
  containment: [93, 'text'],

  // assignment, reports
  base: [94, 'uint'],
  removed: [95, 'texts'],
  item: [96, 'text'],
  operationState: [97, 'text'],
  answer: [98, { map: 'answer' }],
  bundleState: [99, 'text'],
  seenSeq: [100, 'uint'],
  reset: [101, 'bool'],

  // queries
  query: [102, 'text'],
  states: [103, 'texts'],
  all: [104, 'bool'],
  since: [105, 'time'],
  limit: [106, 'uint'],
  after: [107, 'uint'],
  follow: [108, 'bool'],
  tail: [109, 'uint'],
  streams: [110, 'texts'],
  nodes: [111, { list: 'node' }],
  processes: [112, { list: 'process' }],
  tasks: [113, { list: 'task' }],
  bundles: [114, { list: 'bundle' }],
  operations: [115, { list: 'operation' }],
  events: [116, { list: 'event' }],
  tokens: [117, { list: 'token' }],
  presences: [118, { list: 'presence' }],

  // nodes, clocks, samples
  nodeState: [119, 'text'],
  lastSeen: [120, 'time'],
  clock: [121, { map: 'clock' }],
  synchronized: [122, 'bool'],
  offsetUs: [123, 'int'],
  source: [124, 'text'],
  stratum: [125, 'uint'],
  running: [126, 'uint'],
  memoryKind: [127, 'text'],
  ioReadBytes: [128, 'uint'],
  ioWriteBytes: [129, 'uint'],
  threads: [130, 'uint'],
  openFiles: [131, 'uint'],
  uptimeMs: [132, 'uint'],
  load1: [133, 'float'],
  memoryTotalBytes: [134, 'uint'],
  diskFreeBytes: [135, 'uint'],
  rttUs: [136, 'uint'],
  heartbeatMs: [137, 'uint'],
  t1: [138, 'time'],
  t2: [139, 'time'],
  t3: [140, 'time'],

  // tokens
  usesLeft: [141, 'uint'],
  ttlMs: [142, 'uint'],
  createdBy: [143, 'text'],
  usedBy: [144, 'text'],

  // journal
  commandKind: [145, 'text'],
  eventKind: [146, 'text'],
  orderly: [147, 'bool'],
  present: [148, 'texts'],
  epoch: [149, 'uint'],
  nonce: [150, 'text'],
  writer: [151, 'text'],
  clockErrorUs: [152, 'uint'],
  credit: [153, 'uint'],
  fault: [154, 'text'],
  request: [155, 'uint'],

  // true time
  servers: [160, { list: 'timeServer' }],
  host: [161, 'text'],
  address: [162, 'text'],
  delayUs: [163, 'uint'],
  lowUs: [164, 'int'],
  highUs: [165, 'int'],
  truechimer: [166, 'bool'],
  reach: [167, 'uint'],
  t4: [168, 'time'],
  relative: [169, 'bool'],
  pollMs: [170, 'uint'],
  outUs: [171, 'int'],
  backUs: [172, 'int'],
  wayErrorUs: [173, 'uint'],

  // schedules and firings
  schedule: [190, 'text'],
  action: [191, 'text'],
  everyUs: [192, 'uint'],
  fromUs: [193, 'time'],
  cron: [194, 'text'],
  tz: [195, 'text'],
  untilUs: [196, 'time'],
  count: [197, 'uint'],
  missed: [198, 'text'],
  overlap: [199, 'text'],
  maxClockErrorUs: [200, 'uint'],
  splayUs: [201, 'uint'],
  paused: [202, 'bool'],
  sinceUs: [203, 'time'],
  schedules: [204, { list: 'schedule' }],
  plan: [205, { map: 'schedule' }],
  timing: [206, { map: 'timing' }],
  inUs: [207, 'uint'],
  next: [208, 'uints'],
  fire: [209, { map: 'fire' }],
  fires: [210, { list: 'fire' }],
  plannedUs: [211, 'time'],
  firedUs: [212, 'time'],
  lateUs: [213, 'int'],
  result: [214, 'text'],
  summaries: [215, { list: 'summary' }],
  okCount: [216, 'uint'],
  skippedCount: [217, 'uint'],
  failedCount: [218, 'uint'],
  lostCount: [219, 'uint'],
  lateP50Us: [220, 'int'],
  lateP95Us: [221, 'int'],
  lateP99Us: [222, 'int'],
  lateMaxUs: [223, 'int'],
  skewP50Us: [224, 'uint'],
  skewP99Us: [225, 'uint'],
  skewMaxUs: [226, 'uint'],
  skewErrorUs: [227, 'uint'],
  pausedOn: [228, 'texts'],

  // supervision
  restart: [240, 'text'],
  backoffMinMs: [241, 'uint'],
  backoffMaxMs: [242, 'uint'],
  maxRestarts: [243, 'uint'],
} as const satisfies Record<string, readonly [number, KeyType]>;

export type ShapeName =
  | 'report'
  | 'item'
  | 'sample'
  | 'process'
  | 'spec'
  | 'answer'
  | 'node'
  | 'task'
  | 'bundle'
  | 'operation'
  | 'event'
  | 'token'
  | 'presence'
  | 'clock'
  | 'timeServer'
  | 'timing'
  | 'schedule'
  | 'fire'
  | 'summary';

export type KeyType =
  | 'uint'
  | 'int'
  | 'float'
  | 'text'
  | 'bytes'
  | 'bool'
  | 'time'
  | 'texts'
  | 'uints'
  | 'strmap'
  | { readonly map: ShapeName }
  | { readonly list: ShapeName };

export type KeyName = keyof typeof keys;

/** Names the header and the dissector generate themselves (dissector: field names). */
export const reserved = [
  'magic',
  'version',
  'code',
  'category',
  'sub',
  'state',
  'message',
  'flags',
  'length',
  'id',
  'checksum',
  'time',
  'unknown',
] as const;
